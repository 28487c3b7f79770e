"""fwknopd in front of a real firewalld, on either of its back ends: packets, reloads, deaths."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon import READY, Server, base64, stanza, until
from tests.sealing import sealed
from tests.system.firewalld_scene import PATIENCE, Firewalld, heirs, hide_jeepney
from tests.system.nat_scene import Yard, yard
from tests.system.seed_001_server import SeedServer
from tests.system.tables_scene import knock, listed
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.sockets import connect, listen, send_datagram
from watchword.lab.trio import Station

pytestmark = [pytest.mark.system, pytest.mark.peer("firewalld", "dbus-daemon")]
SHORT = ("-f", "1")


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
    with cleaned(scene, Server(scene.yard.gateway.host, tmp_path)) as server:
        server.settings["FIREWALL_EXE"] = "/usr/bin/firewall-cmd"
        server.access = stanza(OPEN_PORTS="tcp/22", FW_ACCESS_TIMEOUT="60")
        yield server


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
        if (made := connect(who.host, address, port, 5.0)) is not None:
            made.close()
            return True
    return False


def connected(scene: Scene) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection of the caller's to the gateway."""
    here = scene.yard.gateway.four
    theirs = connect(scene.yard.caller.host, here, 22, PATIENCE)
    assert theirs is not None
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

    for number, reload in enumerate(("--reload", "--complete-reload"), 1):
        firewalld.command(reload)
        server.wait_for("Restored 2 grants: other hands had changed the firewall", number)
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

    knock(scene.yard.outside, caller.four, "tcp/22", *SHORT)
    server.wait_for_judgements(4)
    until(lambda: firewalld.ours() == [rule(caller.six)], PATIENCE)
    assert caller.six in server.program("--fw-list").stdout
    assert server.program("--fw-list").stdout.rstrip().endswith(rule(caller.six))
    doctor = server.tool("doctor", "--server").stdout
    assert "grants are rich rules of firewalld in public" in doctor
    assert "no zone lets everybody reach tcp/22" in doctor


def test_whoever_is_killed_grants_end_on_time_and_come_back_with_firewalld(
    scene: Scene, server: Server
) -> None:
    caller, firewalld = scene.yard.caller, scene.firewalld
    server.start()
    knock(scene.yard.outside, caller.four, "tcp/22", *SHORT)
    knock(scene.yard.outside, caller.six)
    server.wait_for_judgements(2)
    server.kill()
    until(lambda: not firewalld.in_kernel(caller.four), PATIENCE)
    assert firewalld.in_kernel(caller.six)
    server.start()
    server.wait_for("Restored 1 grants: they were open before this start")
    knock(scene.yard.outside, caller.four, "tcp/22", "-f", "2")
    server.wait_for_judgements(1)
    assert firewalld.in_kernel(caller.four)
    firewalld.kill()
    try:
        until(lambda: not firewalld.in_kernel(caller.four), PATIENCE)
        assert firewalld.in_kernel(caller.six)
        server.wait_for("firewalld does not run")
    finally:
        firewalld.start()
    server.wait_for("Restored 1 grants: the firewall works again")
    assert firewalld.ours() == [rule(caller.six)]


@pytest.mark.requirement("2.16")
def test_when_grants_end_at_a_start_or_a_stop_is_said_by_flush(
    scene: Scene, server: Server
) -> None:
    caller, firewalld = scene.yard.caller, scene.firewalld
    server.start()
    knock(scene.yard.outside, caller.four)
    server.wait_for_judgements(1)
    server.stop()
    assert firewalld.ours() == [rule(caller.four)]
    server.settings |= {"FLUSH_FIREWD_AT_INIT": "Y", "FLUSH_FIREWD_AT_EXIT": "Y"}
    server.start()
    assert firewalld.ours() == []
    knock(scene.yard.outside, caller.four)
    server.wait_for_judgements(1)
    assert firewalld.ours() == [rule(caller.four)]
    server.stop()
    assert firewalld.ours() == []


def test_callers_are_led_on_to_other_ports_and_other_hosts(scene: Scene, server: Server) -> None:
    gateway, caller, inside = scene.yard.gateway, scene.yard.caller, scene.yard.inside
    server.settings |= {"ENABLE_FIREWD_FORWARDING": "Y", "ENABLE_FIREWD_LOCAL_NAT": "Y"}
    server.access = stanza(
        OPEN_PORTS="",
        FW_ACCESS_TIMEOUT="60",
        NAT_TARGETS=f"{inside.four}:22, [{inside.six}]:22, local:22",
    )
    server.start()
    for number, (who, target) in enumerate(
        ((caller.four, inside.four), (caller.six, f"[{inside.six}]"))
    ):
        here = gateway.four if who == caller.four else gateway.six
        assert not comes_in(caller, here, 6543)
        knock(scene.yard.outside, who, "tcp/6543", "-N", f"{target}:22")
        told = server.wait_for_judgements(number + 1)[number]
        assert told["verdict"] == "granted", told
        assert comes_in(caller, here, 6543)
    assert not comes_in(scene.yard.stranger, gateway.four, 6543)
    knock(scene.yard.outside, caller.four, "tcp/22", "--nat-local", "--nat-port", "6544")
    assert server.wait_for_judgements(3)[2]["verdict"] == "granted"
    assert comes_in(caller, gateway.four, 6544)
    assert not comes_in(caller, gateway.four, 22)
    assert len(scene.firewalld.ours()) == 3
    server.stop()
    server.program("--fw-flush")


@pytest.mark.requirement("2.8", "2.9")
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
        assert comes_in(caller, gateway.four, 1234)
        assert not comes_in(on_nftables.yard.stranger, gateway.four, 1234)


RECORDER = """\
#!/bin/sh
for word; do printf '%s\\t' "$word"; done >>"$0.log"
echo >>"$0.log"
exec /usr/bin/firewall-cmd "$@"
"""


@pytest.mark.requirement("2.19")
@pytest.mark.requirement("2.20")
def test_without_the_library_the_program_that_firewall_exe_names_is_told_what_to_do(
    on_nftables: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, caller = on_nftables.yard.gateway, on_nftables.yard.caller
    exe = tmp_path / "firewall-cmd"
    exe.write_text(RECORDER, "ascii")
    exe.chmod(0o700)
    hide_jeepney(tmp_path / "shadow", monkeypatch)
    with cleaned(on_nftables, Server(gateway.host, tmp_path)) as server:
        server.settings |= {
            "FIREWALL_EXE": str(exe),
            "ENABLE_FIREWD_COMMENT_CHECK": "N",
            "FLUSH_FIREWD_AT_EXIT": "Y",
        }
        server.launch()
        until(lambda: READY[0] in server.log, PATIENCE)  # a program for each question
        packaged(on_nftables)
        server.wait_for_judgements(1)
        assert on_nftables.firewalld.ours() == [rule(caller.four)]
        assert comes_in(caller, gateway.four)
        on_nftables.firewalld.command("--reload")
        server.wait_for("Restored 1 grants")
        server.stop()
    told = (tmp_path / "firewall-cmd.log").read_text("ascii").splitlines()
    changes = [each for each in told if "-rich-rule=" in each]
    add, again, remove = (each.split("\t")[:-1] for each in changes)
    assert add[:2] == again[:2] == ["--zone=public", f"--add-rich-rule={rule(caller.four)}"]
    assert re.fullmatch("--timeout=2[789]", add[2])
    assert remove == ["--zone=public", f"--remove-rich-rule={rule(caller.four)}"]
    asked = {"--state", "--get-zones", "--get-active-zones", "--get-default-zone"}
    others = {each.strip() for each in told if each not in changes}
    assert others == {*asked, "--zone=public\t--list-rich-rules"}, "no rule to try something out"


@pytest.mark.requirement("2.2")
@pytest.mark.requirement("2.18", partial=True)
def test_direct_rules_are_fwknops_where_they_open_something_and_are_refused_where_they_do_not(
    on_nftables: Scene, on_iptables: Scene, tmp_path: Path
) -> None:
    direct = {
        "FIREWALL_EXE": "/usr/bin/firewall-cmd",
        "FIREWALLD_RULES": "direct",
        "FIREWD_INPUT_ACCESS": "ACCEPT, filter, INPUT, 2, MY_INPUT, 1",
        "FLUSH_FIREWD_AT_EXIT": "Y",
    }
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
        on_iptables.firewalld.command("--reload")
        server.wait_for("Restored 1 grants: other hands had changed the firewall")
        until(lambda: comes_in(caller, gateway.four), PATIENCE)  # firewalld may not be done yet
        calls = [each for each in listed(gateway.host, "iptables") if each[:9] == "-A INPUT "]
        assert calls[1] == "-A INPUT -j MY_INPUT"
        rules = [each for each in listed(gateway.host, "iptables") if each[:11] == "-A MY_INPUT"]
        assert len(rules) == 1
        assert re.fullmatch(
            rf"-A MY_INPUT -s {caller.four}/32 -p tcp -m tcp --dport 22 -m comment "
            r"--comment _exp_[0-9]+ -j ACCEPT",
            rules[0],
        )
