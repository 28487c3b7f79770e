"""watchword doctor --server: every fault is made, and named with its remedy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.called import called
from tests.daemon import PROGRAMS, Server, stanza, until
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import listen, open_socket, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret
from watchword.programs import watchword

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(scene.server.host, tmp_path_factory.mktemp("doctor"))
    with listen(scene.server.host, "0.0.0.0", 22):
        running.start()
        yield running
        running.stop()


class Told:
    """What the doctor found."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stderr == ""
        self.status = done.returncode
        told = json.loads(done.stdout)
        self.worst = told["worst"]
        self._findings: list[dict[str, Any]] = told["findings"]

    def about(self, topic: str, severity: str | None = None) -> str:
        """Messages and remedies of one topic, of that severity or of any."""
        return "\n".join(
            f"{each['message']} | {each['remedy']}"
            for each in self._findings
            if each["topic"] == topic and severity in (None, each["severity"])
        )

    @property
    def without_remedy(self) -> list[str]:
        return [
            each["message"]
            for each in self._findings
            if each["severity"] in ("warning", "fault") and not each["remedy"]
        ]


def doctor(server: Server, *options: str) -> Told:
    told = Told(server.tool("doctor", "--server", "--json", *options))
    assert told.without_remedy == []
    return told


def strangers(host: Host) -> list[str]:
    """Interfaces that lead to a stranger."""
    return re.findall(r"^\d+: (ww\d+)[@:]", host.run("ip", "-o", "link").stdout, re.MULTILINE)


def nft(server: Server, script: str) -> None:
    server.host.run("nft", "-f", "-", input=script)


@contextlib.contextmanager
def ruleset(server: Server, table: str, script: str) -> Iterator[None]:
    nft(server, f"table {table} {{\n{script}\n}}\n")
    try:
        yield
    finally:
        nft(server, f"delete table {table}")


@contextlib.contextmanager
def changed(server: Server, **settings: str) -> Iterator[None]:
    """Files that say something else; the daemon does not read them."""
    before, access = dict(server.settings), server.access
    server.settings |= settings
    server.write()
    try:
        yield
    finally:
        server.settings, server.access = before, access
        server.write()


def test_of_a_sound_server_nothing_is_wrong(server: Server) -> None:
    told = doctor(server, "--probe")
    for topic in ("daemon", "capture", "attachment", "rules", "disk", "reach"):
        assert told.about(topic, "fine"), topic
    seen = "a packet of the doctor's own was seen (by loopback to UDP port 62201)"
    assert seen in told.about("capture")
    assert "a stranger tried 2 ways to TCP ports: none answers" in told.about("reach")
    assert "fault" not in told.worst
    assert not strangers(server.host)


def test_what_listens_and_is_not_hidden_is_listed(server: Server, scene: Trio) -> None:
    with (
        listen(server.host, "0.0.0.0", 80),
        listen(server.host, scene.server.six, 443),
        listen(server.host, "127.0.0.1", 631),
        open_socket(server.host, "0.0.0.0", socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("0.0.0.0", 5353))
        told = doctor(server, "--probe")
    reached = told.about("reach", "remark")
    for service in ("tcp/80 (", "tcp/443 (", "udp/5353 ("):
        assert service in reached
    assert "tcp/631" not in reached
    assert "tcp/22" not in reached
    assert "a stranger was answered by tcp/80" in reached


def test_a_published_port_is_reached_as_one_that_listens(server: Server) -> None:
    rules = (
        "chain pre { type nat hook prerouting priority dstnat; "
        "tcp dport 8080 dnat to 10.9.9.9:80; tcp dport { 22, 8443 } redirect to :443; }"
    )
    with ruleset(server, "ip docker", rules):
        reached = doctor(server).about("reach", "remark")
    assert "tcp/8080 (published)" in reached
    assert "tcp/8443 (published)" in reached
    assert "tcp/22" not in reached


@pytest.mark.parametrize("guarded", ["tcp/443", "ALL"])
def test_what_callers_may_open_and_nothing_hides_is_a_fault(
    guarded: str, server: Server, tmp_path: Path
) -> None:
    """The files are another server's, which does not run."""
    other = Server(server.host, tmp_path)
    other.settings |= {"GUARD_SERVICES": guarded}
    if guarded == "ALL":
        other.settings["GUARD_PUBLIC"] = "tcp/22"
    other.write()
    told = doctor(other)
    assert "tcp/22 (" in told.about("reach", "fault")
    assert "and everybody reaches it | add tcp/22 to GUARD_SERVICES" in told.about("reach")


def test_a_probe_finds_that_a_hidden_port_answers(scene: Trio, tmp_path: Path) -> None:
    other = Server(scene.caller.host, tmp_path)
    other.write()
    with listen(scene.caller.host, "::", 22):
        told = doctor(other, "--probe")
    assert "tcp/22 is to be hidden, and answers a stranger by IPv4" in told.about("reach", "fault")
    assert "by IPv6" in told.about("reach", "fault")
    assert not strangers(scene.caller.host)


def test_a_server_that_does_not_run_is_a_fault_and_so_is_the_missing_guard(
    scene: Trio, tmp_path: Path
) -> None:
    other = Server(scene.caller.host, tmp_path)
    other.write()
    told = doctor(other)
    assert told.status == 3
    assert "fwknopd does not run" in told.about("daemon", "fault")
    assert "the table inet watchword is not in the kernel: nothing is hidden" in told.about(
        "attachment", "fault"
    )
    assert f"{tmp_path}/state is not there" in told.about("files", "warning")
    assert not told.about("reach", "fine")


def test_a_packet_that_is_not_seen_is_a_fault(server: Server, scene: Trio) -> None:
    """Somebody drops it on the way; that others' packets are counted meanwhile is no proof."""
    drop = 'iifname "lo" udp dport 62201 drop;'
    chain = f"chain in {{ type filter hook input priority -300; {drop} }}"
    stop = threading.Event()

    def keep_sending() -> None:
        while not stop.wait(0.3):
            send_datagram(scene.stranger.host, b"9" * 200, scene.server.four, 62201)

    others = threading.Thread(target=keep_sending)
    others.start()
    try:
        with ruleset(server, "ip lost", chain):
            told = doctor(server)
    finally:
        stop.set()
        others.join()
    assert "a packet of the doctor's own was not seen" in told.about("capture", "fault")


def test_another_program_on_the_port_is_named(server: Server, scene: Trio) -> None:
    with (
        open_socket(server.host, "0.0.0.0", socket.SOCK_DGRAM) as other,
        changed(server, UDPSERV_PORT="4444"),
    ):
        other.bind(("0.0.0.0", 4444))
        told = doctor(server)
    said = told.about("daemon", "fault")
    name = Path(f"/proc/{os.getpid()}/comm").read_text("ascii").strip()
    assert f"the port udp/4444 for packets is held by {name} (process {os.getpid()})" in said


def test_a_port_that_the_files_name_and_the_daemon_has_not_is_a_fault(server: Server) -> None:
    with changed(server, UDPSERV_PORT="4445"):
        told = doctor(server)
    assert "fwknopd runs, and has no socket on udp/4445 | reload it" in told.about(
        "daemon", "fault"
    )


def test_a_second_fwknopd_is_named(server: Server, tmp_path: Path) -> None:
    other = Server(server.host, tmp_path)
    other.settings |= {"UDPSERV_PORT": "4446", "NFT_TABLE": "other"}
    other.start()
    told = doctor(server)
    assert f"another fwknopd runs here (process {other.pid})" in told.about("daemon", "warning")
    other.stop()
    other.program("--fw-flush")


def test_rules_that_no_grant_passes_are_named(server: Server) -> None:
    chains = {
        "my_port": "tcp dport 22 drop;",
        "my_range": "tcp dport 20-23 reject; accept;",
        "my_all": "counter drop;",
        "my_end": "policy drop; tcp dport 80 accept;",
        "my_harmless": "ip saddr 10.0.0.0/8 drop; tcp dport 23 drop; accept; drop;",
    }
    hook = "type filter hook input priority 10;"
    with ruleset(
        server, "inet other", "\n".join(f"chain {n} {{ {hook} {r} }}" for n, r in chains.items())
    ):
        told = doctor(server)
    faults = told.about("rules", "fault")
    for name, what in (
        ("my_port", "tcp/22"),
        ("my_range", "tcp/20, tcp/21"),
        ("my_all", "everything"),
    ):
        assert f"the chain inet other {name} drops {what}" in faults
    assert "whoever has a grant | remove that rule" in faults
    said = "the chain inet other my_end drops what it does not accept"
    assert said in told.about("rules", "warning")
    assert "my_harmless" not in told.about("rules")


def test_rules_around_a_jump_are_looked_at(server: Server, tmp_path: Path) -> None:
    chains = {
        "my_early": ("tcp dport 22 accept;", "drop;"),
        "my_wide": ("tcp dport 9 drop; accept;", "drop;"),
        "my_shut": ("tcp dport 1-1000 drop;", "drop;"),
        "my_open": ("", ""),
        "my_sound": (
            "ct state established accept; tcp dport 9 accept;",
            "ip saddr 10.0.0.0/8 accept; drop;",
        ),
        "my_policy": ("policy drop;", ""),
    }
    other = Server(server.host, tmp_path)
    named = ", ".join(f"inet other {name}" for name in chains)
    other.settings |= {"FIREWALL_ATTACH": "jump", "NFT_JUMP_FROM": named}
    other.write()
    hook = "type filter hook input priority 10;"
    made = (f"chain {n} {{ {hook} {b} jump watchword; {a} }}" for n, (b, a) in chains.items())
    with ruleset(server, "inet other", "\n".join(["chain watchword { }", *made])):
        told = doctor(other)
    faults = told.about("rules", "fault")
    for said in (
        "my_early accepts tcp/22 from everybody before it calls us",
        "my_wide accepts everything from everybody before it calls us",
        "my_shut drops tcp/22 before it calls us, whoever has a grant",
        "my_open drops nothing at its end",
    ):
        assert f"the chain inet other {said}" in faults
    assert "my_sound" not in faults
    assert "my_policy" not in faults
    assert "our part of the firewall is in the kernel" in told.about("attachment", "fine")


def test_a_jump_that_is_not_there_is_a_fault(server: Server, tmp_path: Path) -> None:
    other = Server(server.host, tmp_path)
    other.settings |= {"FIREWALL_ATTACH": "jump", "NFT_JUMP_FROM": "inet other mine"}
    other.write()
    told = doctor(other)
    assert "the jump from inet other mine is not in the kernel" in told.about("attachment", "fault")


def test_files_that_others_can_read_or_change_are_named(server: Server, tmp_path: Path) -> None:
    access, config, state = (
        server.folder / each for each in ("access.conf", "fwknopd.conf", "state")
    )
    before = {each: each.stat().st_mode for each in (access, config, state)}
    try:
        access.chmod(0o644)
        config.chmod(0o620)
        state.chmod(0o777)
        told = doctor(server)
    finally:
        for each, mode in before.items():
            each.chmod(mode)
    assert f"others than root can read {access} | chmod go-rwx {access}" in told.about(
        "files", "warning"
    )
    assert f"others than root can change {config}" in told.about("files", "fault")
    assert f"others than root can change {state}" in told.about("files", "fault")
    assert told.about("files", "fine") == ""


def test_a_folder_in_which_others_can_exchange_files_is_named(scene: Trio, tmp_path: Path) -> None:
    folder = tmp_path / "open" / "deep"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o777)
    other = Server(scene.caller.host, folder)
    other.write()
    told = doctor(other)
    assert f"others than root can exchange what lies in {folder.parent}" in told.about(
        "files", "fault"
    )
    assert f"lies in {folder} " not in told.about("files")


def test_weak_and_shared_keys_are_warnings(server: Server) -> None:
    with changed(server):
        server.access = (
            stanza(Secret(b"0123456789abcdef0123456789abcdef"), Secret(b"secret")) + stanza() * 2
        )
        server.write()
        told = doctor(server)
    weak = told.about("keys", "warning")
    assert "HMAC_KEY_BASE64 is one that everybody can read or will try first" in weak
    assert "access stanza #3 has the encryption key and the HMAC key of stanza #2" in weak
    assert "secret" not in weak


def test_a_disk_that_is_nearly_full_is_a_fault(server: Server, tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    other = Server(server.host, tmp_path)
    other.settings["STATE_DIR"] = str(mounted / "state")
    other.write()
    for options, severity, said in (
        ("size=64k", "fault", "there is room for 64 KiB only"),
        ("size=100m", "warning", "there are 100 MiB left"),
        ("size=1g,nr_inodes=20", "fault", "more files only"),
    ):
        script = f'mount -t tmpfs -o {options} tmpfs {mounted} && exec "$0" "$@"'
        asked = [str(PROGRAMS / "watchword"), "doctor", "--server", "--json", *other.files]
        done = server.host.run("unshare", "-m", "sh", "-c", script, *asked, check=False)
        assert said in Told(done).about("disk", severity), done.stdout


def test_an_unusable_configuration_is_told_as_such(server: Server) -> None:
    with changed(server, MAX_SPA_PACKET_AGE="-1"):
        told = doctor(server)
        text = server.tool("doctor", "--server")
    assert told.status == 2
    assert "MAX_SPA_PACKET_AGE" in told.about("configuration", "fault")
    assert text.returncode == 2
    assert text.stdout.startswith("fault    configuration: ")
    assert "remedy: write MAX_SPA_PACKET_AGE" in text.stdout


def test_the_stranger_goes_with_the_doctor_even_by_force(scene: Trio) -> None:
    host = scene.caller.host
    script = (
        "import os, signal\n"
        "from watchword.edges import stranger\n"
        "from watchword.edges.programs import SystemPrograms\n"
        "class Slow(SystemPrograms):\n"
        "    def run(self, argv, **more):\n"
        "        done = super().run(argv, **more)\n"
        "        if argv[-3:] == ['set', 'way', 'up']: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return done\n"
        "stranger.try_ports([22], Slow())\n"
    )
    done = host.run(sys.executable, "-c", script, check=False)
    assert done.returncode == -9
    until(lambda: not strangers(host))


@pytest.mark.parametrize("options", [("--probe",), ("-c", "x"), ("--server", "host")])
def test_sides_are_not_mixed_up(options: tuple[str, ...], scene: Trio) -> None:
    done = called(scene.server.host, "watchword", watchword.main, ["doctor", *options])
    assert done.returncode == 2
    assert "--server" in done.stderr


@pytest.mark.parametrize(
    ("settings", "severity", "said"),
    [
        ({"PACKET_SOURCES": "tcp", "TCPSERV_PORT": "4447"}, "fine", "by loopback to TCP port 4447"),
        ({"PCAP_INTF": "lo", "PCAP_FILTER": "udp port 4448"}, "fine", "by loopback, UDP port 4448"),
        ({"PCAP_INTF": "eth0", "PCAP_FILTER": "udp port 4449"}, "fine", "at eth0, UDP port 4449"),
        (
            {"PCAP_INTF": "eth0", "PCAP_FILTER": "udp port 4449 and host 203.0.113.77"},
            "fault",
            "was not seen (at eth0, UDP port 4449)",
        ),
        ({"PCAP_INTF": "eth9"}, "remark", "there is no interface eth9"),
    ],
)
def test_the_doctors_packet_goes_the_way_that_the_daemon_looks_at(
    settings: dict[str, str], severity: str, said: str, scene: Trio, tmp_path: Path
) -> None:
    other = Server(scene.stranger.host, tmp_path)
    other.settings |= {"ENABLE_UDP_SERVER": "N", **settings}
    other.start()
    told = doctor(other)
    other.stop()
    assert said in told.about("capture", severity)
    links = json.loads(scene.stranger.host.run("ip", "-j", "link").stdout)
    assert sorted(each["ifname"] for each in links) == ["eth0", "lo"]


@pytest.mark.peer("iptables")
def test_tables_of_the_other_make_of_iptables_are_named(scene: Trio, tmp_path: Path) -> None:
    other = Server(scene.caller.host, tmp_path)
    other.write()
    drop = ("-A", "INPUT", "-s", "192.0.2.99", "-j", "DROP")
    other.host.run("iptables-legacy", *drop)
    told = doctor(other).about("rules", "remark")
    assert "iptables-legacy has tables as well (filter): what a rule there drops" in told
    other.settings |= {"FIREWALL_EXE": "/usr/sbin/iptables-legacy"}
    other.write()
    assert "has tables as well" not in doctor(other).about("rules")
    other.host.run("iptables-nft", *drop)
    assert "nftables has chains as well (ip filter INPUT)" in doctor(other).about("rules", "remark")
