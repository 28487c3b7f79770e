"""fwknopd in front of a real firewalld, on either of its back ends: packets, reloads, deaths."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import Server, base64, stanza, until
from tests.fwknopd_files import configure, fatal
from tests.sealing import sealed
from tests.system.firewalld_scene import PATIENCE, Firewalld, heirs
from tests.system.nat_scene import Yard, yard
from tests.system.nft_scene import CLOCK, entered
from tests.system.seed_001_server import SeedServer
from tests.system.tables_scene import knock, listed
from tests.values import KEY, MAC_KEY
from watchword.edges.firewall.firewalld.backend import FirewalldFirewall
from watchword.edges.firewall.firewalld.bus import BusFirewalld
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect, listen, send_datagram
from watchword.lab.trio import Station
from watchword.model.openings import ChangeSet, Hole, Opening
from watchword.model.services import Service
from watchword.service.daemon.assembly import firewall_for

pytestmark = [pytest.mark.system, pytest.mark.peer("firewalld", "dbus-daemon")]


class Scene(NamedTuple):
    yard: Yard
    firewalld: Firewalld
    listeners: dict[str, socket.socket]
    """On port 22, by address."""


def standing(folder: Path, backend: str) -> Iterator[Scene]:
    with Lab() as lab, contextlib.ExitStack() as stack:
        made = yard(lab)
        firewalld = Firewalld(made.gateway.host, folder, backend)
        firewalld.start()
        before = firewalld.everything()
        listeners = {
            address: stack.enter_context(listen(station.host, address, 22))
            for station in (made.gateway, made.inside)
            for address in (station.four, station.six)
        }
        yield Scene(made, firewalld, listeners)
        assert firewalld.everything() == before, "something of others was touched, or left"


@pytest.fixture(scope="module")
def on_nftables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from standing(tmp_path_factory.mktemp("firewalld"), "nftables")


@pytest.fixture(scope="module")
def on_iptables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from standing(tmp_path_factory.mktemp("firewalld"), "iptables")


@pytest.fixture(params=["on_nftables", "on_iptables"])
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.getfixturevalue(request.param)
    return found


@contextlib.contextmanager
def cleaned(scene: Scene, server: Server) -> Iterator[Server]:
    """A server that finds this firewalld; nothing is left of it."""
    host = scene.yard.gateway.host
    with scene.firewalld.known_to_us():
        try:
            yield server
        finally:
            if server.process is not None:
                server.stop()
            for pid in heirs(host):
                os.kill(pid, signal.SIGTERM)
            until(lambda: not heirs(host), PATIENCE)
    assert scene.firewalld.ours() == []


@pytest.fixture
def server(scene: Scene, tmp_path: Path) -> Iterator[Server]:
    with cleaned(scene, settled(scene, tmp_path)) as server:
        yield server


def settled(scene: Scene, folder: Path) -> Server:
    server = Server(scene.yard.gateway.host, folder)
    server.settings["FIREWALL_EXE"] = "/usr/bin/firewall-cmd"
    server.access = stanza(OPEN_PORTS="tcp/22", FW_ACCESS_TIMEOUT="300")
    return server


def packaged(scene: Scene) -> None:
    """One packet of the client as Debian has it."""
    caller, to = scene.yard.caller, scene.yard.gateway.four
    caller.host.run(
        "/usr/bin/fwknop", "--no-rc-file", "-D", to, "-A", "tcp/22", "-a", caller.four,
        "--key-base64-rijndael", base64(KEY), "--key-base64-hmac", base64(MAC_KEY), "--use-hmac",
    )  # fmt: skip


def rule(who: str) -> str:
    version = 6 if ":" in who else 4
    return (
        f'rule priority="-6220" family="ipv{version}" source address="{who}" '
        'port port="22" protocol="tcp" accept'
    )


def comes_in(who: Station, address: str, port: int = 22) -> bool:
    """firewalld answers those whom it keeps out."""
    with contextlib.suppress(OSError):
        if (made := connect(who.host, address, port, 30)) is not None:
            made.close()
            return True
    return False


def connected(
    scene: Scene, who: Station | None = None, here: str = ""
) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection to the gateway: of the caller's by IPv4, unless somebody else's."""
    here = here or scene.yard.gateway.four
    theirs = connect((who or scene.yard.caller).host, here, 22, PATIENCE)
    assert theirs is not None
    theirs.settimeout(PATIENCE)
    name = theirs.getsockname()
    while True:  # those that came before are gone
        ours, peer = scene.listeners[here].accept()
        if peer == name:
            return theirs, ours
        ours.close()


@pytest.mark.requirement("2.2")
@pytest.mark.peer("fwknop")
def test_grants_open_for_both_families_outlive_reloads_end_on_time_and_are_cut_on_demand(
    scene: Scene, server: Server
) -> None:
    gateway, caller, firewalld = scene.yard.gateway, scene.yard.caller, scene.firewalld
    both = (gateway.four, gateway.six)
    server.start()
    assert not any(comes_in(caller, each) for each in both)
    packaged(scene)
    knock(scene.yard.outside, caller.six)
    server.wait_for_judgements(2)
    assert firewalld.ours() == [rule(caller.four), rule(caller.six)]
    assert all(comes_in(caller, each) for each in both)
    assert not comes_in(scene.yard.stranger, gateway.four)

    for method in ("reload", "completeReload"):
        with server.puts_right(2):
            firewalld.reload(method)
        assert all(comes_in(caller, each) for each in both)

    theirs, ours = connected(scene)
    with theirs, ours:
        assert server.tool("revoke", caller.four).returncode == 0
        assert not comes_in(caller, gateway.four)
        theirs.sendall(b"on and on")
        assert ours.recv(9) == b"on and on"
        packaged(scene)
        server.wait_for_judgements(3)
        told = server.tool("revoke", "--cut", caller.four)
        assert "connections cut: 1" in told.stdout, told.stdout + told.stderr
        theirs.settimeout(PATIENCE)
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)

    knock(scene.yard.outside, caller.four, "tcp/22", "-f", "1")
    server.wait_for_judgements(4)
    until(lambda: firewalld.ours() == [rule(caller.six)], PATIENCE)


def test_when_the_kernel_was_flushed_firewalld_and_grants_are_back_if_that_was_asked_for(
    scene: Scene, server: Server
) -> None:
    yard, firewalld = scene.yard, scene.firewalld
    gateway, host = yard.gateway, scene.yard.gateway.host
    server.settings |= {"FIREWALLD_RELOAD_IF_FLUSHED": "Y", "HIDDEN_SERVICES": "tcp/22"}
    server.start()
    packaged(scene)
    server.wait_for_judgements(1)
    for pid in server.pids:
        os.kill(pid, signal.SIGSTOP)
    if firewalld.backend == "nftables":
        host.run("nft", "flush", "ruleset")
    else:
        for exe in ("iptables", "ip6tables"):
            host.run(exe, "-F")
    slipped = [connected(scene, yard.stranger, each) for each in (gateway.four, gateway.six)]
    for pid in server.pids:
        os.kill(pid, signal.SIGCONT)
    server.wait_for("the kernel has none of its rules")
    server.wait_for("Restored 1 grants: the firewall works again")
    for who in (yard.stranger.four, yard.stranger.six):
        server.wait_for(f"Cut off {who} from tcp/22")
    for theirs, ours in slipped:
        with theirs, ours, pytest.raises(ConnectionResetError):
            theirs.recv(1)
    assert comes_in(yard.caller, gateway.four)
    assert not any(comes_in(yard.stranger, each) for each in (gateway.four, gateway.six))
    assert firewalld.ours() == [rule(yard.caller.four)]
    assert len(firewalld.in_kernel(yard.caller.four)) == 1
    assert server.tool("revoke", "--all").returncode == 0


def test_who_slips_in_is_cut_off_when_firewalld_has_its_own_rules_back(
    scene: Scene, server: Server
) -> None:
    """They were too many until a reload, and then they were all gone until it was started again."""
    yard, firewalld = scene.yard, scene.firewalld
    here, strangers = (yard.gateway.four, yard.gateway.six), (yard.stranger.four, yard.stranger.six)
    server.settings |= {"HIDDEN_SERVICES": "tcp/22", "HIDDEN_EXCEPT": "10.0.0.0/24, fd00::/64"}
    server.start()
    packaged(scene)
    server.wait_for_judgements(1)
    mine = [connected(scene)]
    firewalld.command("--add-port=22/tcp")
    mine += [connected(scene, yard.inside, each) for each in here]
    slipped = [connected(scene, yard.stranger, each) for each in here]
    with server.puts_right(1):
        firewalld.reload()
    for who in strangers:
        server.wait_for(f"Cut off {who} from tcp/22: who slipped in while other hands changed")
    for pid in server.pids:
        os.kill(pid, signal.SIGSTOP)
    firewalld.kill(signal.SIGTERM)
    try:
        slipped += [connected(scene, yard.stranger, each) for each in here]
    finally:
        firewalld.start()
        for pid in server.pids:
            os.kill(pid, signal.SIGCONT)
    for who in strangers:
        server.wait_for(f"Cut off {who} from tcp/22", 2)
    for theirs, ours in mine:
        ours.sendall(b"on and on")
        assert theirs.recv(9) == b"on and on"
    for theirs, _ in slipped:
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)
    assert server.log.count("Cut off") == 4
    for each in (*mine, *slipped):
        for end in each:
            end.close()
    assert server.tool("revoke", "--all").returncode == 0


def test_whoever_is_killed_grants_end_on_time_and_come_back_with_firewalld(
    scene: Scene, server: Server
) -> None:
    caller, firewalld = scene.yard.caller, scene.firewalld
    server.start()
    knock(scene.yard.outside, caller.four, "tcp/22", "-f", "1")
    knock(scene.yard.outside, caller.six)
    server.wait_for_judgements(2)
    firewalld.kill()
    try:
        until(lambda: not firewalld.in_kernel(caller.four), PATIENCE)
        assert firewalld.in_kernel(caller.six)
        server.wait_for("firewalld does not run")
    finally:
        firewalld.start()
    server.wait_for("Restored 1 grants: the firewall works again")
    assert firewalld.ours() == [rule(caller.six)]
    assert len(firewalld.in_kernel(caller.six)) == 1, "nothing is left of the one that was killed"

    knock(scene.yard.outside, caller.four, "tcp/22", "-f", "1")
    server.wait_for_judgements(3)
    server.kill()
    until(lambda: not firewalld.in_kernel(caller.four), PATIENCE)
    firewalld.kill()
    try:
        assert firewalld.in_kernel(caller.six)
        [heir] = heirs(scene.yard.gateway.host)
        os.kill(heir, signal.SIGTERM)  # told to end, it ends first what is still open
        until(lambda: not firewalld.in_kernel(caller.six), PATIENCE)
    finally:
        firewalld.start()


@pytest.mark.requirement("2.16")
def test_when_grants_end_at_a_start_or_a_stop_is_said_by_flush(
    on_nftables: Scene, tmp_path: Path
) -> None:
    caller, firewalld = on_nftables.yard.caller, on_nftables.firewalld
    with cleaned(on_nftables, settled(on_nftables, tmp_path)) as server:
        server.start()
        knock(on_nftables.yard.outside, caller.four)
        server.wait_for_judgements(1)
        server.stop()
        assert firewalld.ours() == [rule(caller.four)]
        server.settings |= {"FLUSH_FIREWD_AT_INIT": "Y", "FLUSH_FIREWD_AT_EXIT": "Y"}
        server.start()
        assert firewalld.ours() == []
        knock(on_nftables.yard.outside, caller.four)
        server.wait_for_judgements(1)
        assert firewalld.ours() == [rule(caller.four)]
        server.stop()
        assert firewalld.ours() == []


def test_callers_are_led_on_to_other_ports_and_other_hosts(
    on_nftables: Scene, tmp_path: Path
) -> None:
    yard = on_nftables.yard
    gateway, caller, inside = yard.gateway, yard.caller, yard.inside
    with cleaned(on_nftables, settled(on_nftables, tmp_path)) as server:
        server.settings |= {"ENABLE_FIREWD_FORWARDING": "Y", "ENABLE_FIREWD_LOCAL_NAT": "Y"}
        server.access = stanza(
            OPEN_PORTS="",
            FW_ACCESS_TIMEOUT="60",
            NAT_TARGETS=f"{inside.four}:22, [{inside.six}]:22, local:22",
        )
        server.start()
        knock(yard.outside, caller.four, "tcp/6543", "-N", f"{inside.four}:22")
        knock(yard.outside, caller.six, "tcp/6543", "-N", f"[{inside.six}]:22")
        knock(yard.outside, caller.four, "tcp/22", "--nat-local", "--nat-port", "6544")
        told = server.wait_for_judgements(3)
        assert [each["verdict"] for each in told] == ["granted"] * 3, told
        assert comes_in(caller, gateway.four, 6543)
        assert comes_in(caller, gateway.six, 6543)
        assert comes_in(caller, gateway.four, 6544)
        assert not comes_in(yard.stranger, gateway.four, 6543)
        assert not comes_in(caller, gateway.four, 22)
        assert len(on_nftables.firewalld.ours()) == 3
        server.stop()
        assert server.program("--fw-flush").returncode == 0


@pytest.mark.requirement("2.8", "2.9", partial=True)
def test_the_files_of_the_how_to_run_as_they_are_and_do_what_they_say(
    on_nftables: Scene, tmp_path: Path
) -> None:
    gateway, caller = on_nftables.yard.gateway, on_nftables.yard.caller
    with (
        cleaned(on_nftables, SeedServer(gateway.host, tmp_path)) as server,
        listen(gateway.host, gateway.four, 1234),
    ):
        server.start()
        packet = sealed(f"{caller.four},tcp/1234", user="root", sent_at=int(time.time()))
        told = server.tool("diff", "-s", caller.four, packet.decode("ascii"))
        rich = rule(caller.four).replace('"22"', '"1234"')
        assert [each for each in told.stdout.splitlines() if each[:1] in "+-"] == [
            "--- before",
            "+++ after",
            f"+  {rich}",
        ], told.stdout + told.stderr
        assert on_nftables.firewalld.ours() == []
        assert not comes_in(caller, gateway.four, 1234)
        send_datagram(caller.host, packet, gateway.four, 62201)
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        assert on_nftables.firewalld.ours() == [rich]
        assert server.program("--fw-list").stdout.endswith(f"zone public\n  {rich}\n")
        doctor = server.tool("doctor", "--server").stdout
        assert "grants are rich rules of firewalld in public" in doctor
        assert "no zone lets everybody reach tcp/1234" in doctor
        assert comes_in(caller, gateway.four, 1234)
        assert not comes_in(on_nftables.yard.stranger, gateway.four, 1234)


RECORDER = """\
#!/bin/sh
for word; do printf '%s\\t' "$word"; done >>"$0.log"
echo >>"$0.log"
exec /usr/bin/firewall-cmd "$@"
"""


async def wakes(backend: FirewalldFirewall, firewalld: Firewalld) -> None:
    """A reload does, though nobody listens to D-Bus."""
    waiting = asyncio.ensure_future(anext(backend.disturbances()))
    await asyncio.sleep(0)
    firewalld.reload()
    await asyncio.wait_for(waiting, PATIENCE)


@pytest.mark.requirement("2.19", "2.20")
def test_without_the_library_the_program_that_firewall_exe_names_is_told_what_to_do(
    on_nftables: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exe = tmp_path / "firewall-cmd"
    exe.write_text(RECORDER, "ascii")
    exe.chmod(0o700)
    monkeypatch.setitem(sys.modules, BusFirewalld.__module__, None)
    settings = configure(f"FIREWALL_EXE {exe}\nENABLE_FIREWD_COMMENT_CHECK N\n").settings
    caller, gateway = on_nftables.yard.caller, on_nftables.yard.gateway
    with on_nftables.firewalld.known_to_us(), entered(gateway.host):
        backend = firewall_for(settings, CLOCK)
        assert isinstance(backend, FirewalldFirewall)
        backend.probe()
        backend.prepare()
        hole = Hole(ip_address(caller.four), Service.parse("tcp/22"))
        opening = Opening(hole, CLOCK.now().steady + 30)
        backend.apply(ChangeSet(add=(opening,)))
        assert comes_in(caller, gateway.four)
        asyncio.run(wakes(backend, on_nftables.firewalld))
        backend.prepare()
        assert backend.installed() == frozenset()
        backend.apply(ChangeSet(add=(opening,)))
        backend.apply(ChangeSet(remove=frozenset({opening.tag})))
        backend.close()
    assert on_nftables.firewalld.ours() == []
    told = (tmp_path / "firewall-cmd.log").read_text("ascii").splitlines()
    [add, again, remove] = (each.split("\t")[:-1] for each in told if "-rich-rule=" in each)
    assert add[:2] == ["--zone=public", f"--add-rich-rule={rule(caller.four)}"]
    assert add[:2] == again[:2]
    assert re.fullmatch("--timeout=2[0-9]", add[2])
    assert remove == ["--zone=public", f"--remove-rich-rule={rule(caller.four)}"]
    asked = {"--state", "--get-zones", "--get-active-zones", "--get-default-zone"}
    others = {each.strip() for each in told if "-rich-rule=" not in each}
    assert others == {*asked, "--zone=public\t--list-rich-rules"}, "no rule to try something out"


@pytest.mark.requirement("2.18", "4.24")
@pytest.mark.requirement("2.2", partial=True)
def test_direct_rules_are_fwknops_where_they_open_something_and_are_refused_where_they_do_not(
    on_nftables: Scene, on_iptables: Scene, tmp_path: Path
) -> None:
    direct = {
        "FIREWALL_EXE": "/usr/bin/firewall-cmd",
        "FIREWALLD_RULES": "direct",
        "FIREWD_INPUT_ACCESS": "ACCEPT, filter, INPUT, 2, MY_INPUT, 1",
        "FIREWD_FORWARD_ACCESS": "ACCEPT, filter, FORWARD, 3, MY_FORWARD, 1",
        "ENABLE_FIREWD_FORWARDING": "Y",
        "FLUSH_FIREWD_AT_EXIT": "Y",
    }
    for kind in ("INPUT", "FORWARD"):
        [told] = fatal(f"FIREWD_{kind}_ACCESS ACCEPT, filter, {kind}, 2, MINE")
        assert f"Invalid FIREWD_{kind}_ACCESS specification" in told
    server = Server(on_nftables.yard.gateway.host, tmp_path)
    server.settings |= direct
    with on_nftables.firewalld.known_to_us():
        server.write()
        refused = server.program("-f")
    assert refused.returncode == 1
    assert "direct rules open nothing here: firewalld works by nftables" in refused.stderr
    assert "write FIREWALLD_RULES rich" in refused.stderr

    gateway, caller = on_iptables.yard.gateway, on_iptables.yard.caller
    with cleaned(on_iptables, Server(gateway.host, tmp_path)) as server:
        server.settings |= direct
        server.start()
        assert "firewalld 'comment' match is available" in server.log
        packaged(on_iptables)
        server.wait_for_judgements(1)
        assert comes_in(caller, gateway.four)
        assert not comes_in(on_iptables.yard.stranger, gateway.four)

        def calls(chain: str = "INPUT") -> list[str]:
            start = f"-A {chain} "
            return [each for each in listed(gateway.host, "iptables") if each.startswith(start)]

        assert calls()[1] == "-A INPUT -j MY_INPUT"
        assert calls("FORWARD")[2] == "-A FORWARD -j MY_FORWARD"
        with server.puts_right(1):
            on_iptables.firewalld.command("--reload")
        until(lambda: comes_in(caller, gateway.four), PATIENCE)  # firewalld may not be done yet
        # and where it makes its own rules after ours, ours stand before them
        until(lambda: "-A INPUT -j MY_INPUT" in calls()[:2], PATIENCE)
        until(lambda: "-A FORWARD -j MY_FORWARD" in calls("FORWARD")[:3], PATIENCE)
        rules = [each for each in listed(gateway.host, "iptables") if each[:11] == "-A MY_INPUT"]
        assert len(rules) == 1
        assert re.fullmatch(
            rf"-A MY_INPUT -s {caller.four}/32 -p tcp -m tcp --dport 22 -m comment "
            r"--comment _exp_[0-9]+ -j ACCEPT",
            rules[0],
        )
