"""Knocks of fwknop 1.9 between our client and our server, by each way in which they are heard."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.contract.hit_sources import PORTS, HitSourceContract
from tests.daemon import PROGRAMS, Server, stanza
from tests.old_knocks import octets
from tests.sealing import sealed
from watchword.edges.capture.hit_group import GroupSource, joined
from watchword.edges.capture.hit_sniff import HitSniffer
from watchword.edges.clock import SystemClock
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, inside, listen, reaches, send_datagram
from watchword.lab.trio import Station, Trio, trio
from watchword.model.settings import KnockSniffer
from watchword.ports import HitSource

pytestmark = pytest.mark.system
ACCESS = """\
SOURCE: ANY;
ENCRYPT_SEQUENCE;
KEY: testtest12;
OPEN_PORTS: tcp/22;
REQUIRE_USERNAME: mbr, root;
FW_ACCESS_TIMEOUT: 60;

SOURCE: ANY;
ENCRYPT_SEQUENCE;
KEY: testtest12;
PORT_OFFSET: 55000;
PERMIT_CLIENT_PORTS: Y;
FW_ACCESS_TIMEOUT: 60;

SOURCE: ANY;
ENCRYPT_SEQUENCE;
KEY: testtest12;
PORT_OFFSET: 57000;
OPEN_PORTS: tcp/82;
REQUIRE_OS: OpenBSD:4-7::OpenBSD 4 to 7;

SOURCE: ANY;
SHARED_SEQUENCE: tcp/5001, udp/5002, tcp/5003;
OPEN_PORTS: tcp/80;
KNOCK_LIMIT: 2;
FW_ACCESS_TIMEOUT: 60;

SOURCE: ANY;
SHARED_SEQUENCE: tcp/6001, icmp;
OPEN_PORTS: tcp/81;
MIN_TIME_DIFF: 1;
REQUIRE_OS_REGEX: linux;
FW_ACCESS_TIMEOUT: 60;
"""
LOGGED = """\
table inet knocklog {
    chain input {
        type filter hook prerouting priority -350;
        iifname "eth0" tcp dport { 5000-6009, 55000-57255, 61000-61255 } tcp flags syn log group 5
        iifname "eth0" udp dport { 5000-6009, 55000-57255, 61000-61255 } log group 5
        iifname "eth0" icmp type echo-request log group 5
        iifname "eth0" icmpv6 type echo-request log group 5
    }
}
"""
LINE = (
    "Nov 21 09:17:20 fw kernel: [{stamp:.6f}] DROP IN=eth0 OUT= MAC=02:00:00:00:00:01 SRC={source} "
    "DST=203.0.113.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=60914 DF PROTO=TCP SPT={source_port} "
    "DPT={port} WINDOW=64240 RES=0x00 SYN URGP=0 \n"
)


class TestGroup(HitSourceContract):
    """What a rule logs to a group."""

    @pytest.fixture(autouse=True)
    def _on_a_host(self, wire: Trio) -> None:
        self.scene = wire
        self.clock = SystemClock()

    def make(self) -> HitSource:
        return GroupSource(7, self.clock, inside(self.scene.server.host, lambda: joined(7)))

    def feed(self, source: HitSource, port: int) -> None:
        send_datagram(self.scene.caller.host, b"0", self.scene.server.four, port)

    def now(self) -> float:
        return self.clock.now().steady


class TestSniffer(TestGroup):
    """What comes in by an interface."""

    def make(self) -> HitSource:
        wanted = KnockSniffer(("eth0",))
        return inside(
            self.scene.server.host, lambda: HitSniffer(wanted, self.clock, lambda change: None)
        )


def test_what_waited_to_be_read_has_the_time_at_which_it_came(wire: Trio) -> None:
    """So a busy machine does not bring two hits together that were apart."""
    clock = SystemClock()

    async def scene() -> list[float]:
        wanted = KnockSniffer(("eth0",))
        host = wire.server.host
        source = inside(host, lambda: HitSniffer(wanted, clock, lambda change: None))
        source.hear(PORTS)
        for port in (7000, 7001):
            send_datagram(wire.caller.host, b"0", wire.server.four, port)
            time.sleep(0.2)
        found: list[float] = []
        async with asyncio.timeout(60):
            async for batch in source.batches():
                found += [at for at, _ in batch]
                if len(found) == 2:
                    break
        await source.aclose()
        return found

    for _ in range(10):  # the kernel begins to note times a moment after it was asked
        first, second = asyncio.run(scene())
        if second > first:
            break
    assert second - first > 0.15


class KnockServer(Server):
    """fwknopd of ours that takes knocks and no packets."""

    def __init__(self, scene: Trio, folder: Path, **settings: str) -> None:
        super().__init__(scene.server.host, folder)
        del self.settings["ENABLE_UDP_SERVER"]
        self.settings |= {
            "AUTH_MODE": "KNOCK",
            "GUARD_SERVICES": "tcp/22,tcp/80,tcp/81,tcp/82",
            **settings,
        }


@contextmanager
def running(
    scene: Trio, folder: Path, access: str = ACCESS, **settings: str
) -> Iterator[KnockServer]:
    server = KnockServer(scene, folder, **settings)
    server.access = access
    try:
        yield server.start()  # type: ignore[misc]
    finally:
        if server.process is not None and not server.ended:
            assert server.stop() == 0, server.log


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab, ExitStack() as listening:
        made = trio(lab)
        made.server.host.run("nft", "-f", "-", input=LOGGED)
        for port in (22, 80, 81, 82):
            listening.enter_context(listen(made.server.host, "::", port))
        yield made


@pytest.fixture(scope="module")
def wire(scene: Trio) -> Trio:
    """The same, with a group of its own for the sources alone."""
    rule = "inet", "knocklog", "input", "udp", "dport", "7000-7999", "log", "group", "7"
    scene.server.host.run("nft", "add", "rule", *rule)
    return scene


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnockServer]:
    """Hears of packets that a rule logs to an NFLOG group."""
    folder = tmp_path_factory.mktemp("nflog")
    with running(scene, folder, KNOCK_SOURCE="nflog") as found:
        yield found


@pytest.fixture
def alone(scene: Trio, server: KnockServer) -> Trio:
    """The scene for a daemon of a test's own."""
    if not server.ended:
        assert server.stop() == 0, server.log
    return scene


def knock(who: Station, home: Path, to: str, *words: str, pause: str = "0.005") -> None:
    """Run our client there, as ``mbr``; the shared sequences are in its file."""
    rc = home / ".fwknoprc"
    rc.touch(mode=0o600)
    rc.write_text("203.0.113.1: tcp/5001, udp/5002, tcp/5003\n", "ascii")
    slow = home / "slow"
    slow.touch(mode=0o600)
    slow.write_text("203.0.113.1: tcp/6001, icmp\n", "ascii")
    who.host.run(
        str(PROGRAMS / "fwknop"), "--key-rijndael", "testtest12", "-D", to,
        "--no-save-args", "--time-delay", pause, *words,
        env={**os.environ, "HOME": str(home), "SPOOF_USER": "mbr"},
    )  # fmt: skip


ENCRYPTED = ("--Server-mode", "knock", "-A", "tcp/22")


@pytest.mark.requirement("9.46", "10.7")
def test_an_encrypted_sequence_opens_for_the_address_that_it_names(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    host, four = scene.caller.host, scene.server.four
    assert not reaches(host, four, 22)
    knock(scene.stranger, tmp_path, four, *ENCRYPTED, "-a", scene.caller.four)
    server.wait_for(f"add FWKNOP_INPUT {scene.caller.four} -> 0.0.0.0/0(tcp/22) ACCEPT rule 60 sec")
    assert f"successful knock decrypt for {scene.stranger.four} (SOURCE block: 1)" in server.log
    assert gets_through(host, four, 22)
    assert not reaches(scene.stranger.host, four, 22)


@pytest.mark.requirement("10.9")
def test_it_opens_for_its_sender_by_ipv6_with_both_protocols_in_turn(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    knock(scene.stranger, tmp_path, scene.server.six, *ENCRYPTED, "-s", "-r")
    server.wait_for(f"add FWKNOP_INPUT {scene.stranger.six} -> ::/0(tcp/22) ACCEPT rule 60 sec")
    assert gets_through(scene.stranger.host, scene.server.six, 22)


@pytest.mark.requirement("10.10", "9.48")
def test_the_range_may_lie_elsewhere_and_its_stanza_opens_what_is_asked_for(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    words = ("--Server-mode", "knock", "-A", "tcp/82", "-s", "-r", "--offset", "55000")
    knock(scene.caller, tmp_path, scene.server.four, *words)
    server.wait_for(f"successful knock decrypt for {scene.caller.four} (SOURCE block: 2)")
    assert gets_through(scene.caller.host, scene.server.four, 82)


@pytest.mark.requirement("8.23")
def test_a_knock_from_the_wrong_system_opens_nothing(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    knock(scene.stranger, tmp_path, scene.server.four, *ENCRYPTED, "-s", "--offset", "57000")
    server.wait_for(
        f"OS fingerprint mismatch for {scene.stranger.four}: "
        "expected: OpenBSD:4-7::OpenBSD 4 to 7, received: Linux:2.6-6::Linux 2.6 to 6"
    )
    assert not reaches(scene.stranger.host, scene.server.four, 82)


def test_a_sequence_counts_once_whoever_sends_it_again(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    ports = [str(61000 + each) for each in octets(16)]
    for station in (scene.stranger, scene.caller):
        station.host.run(str(PROGRAMS / "knock"), "-d", "5", scene.server.four, *ports)
    server.wait_for(
        f"encrypted sequence from {scene.caller.four} is a replay, first sent from "
        f"{scene.stranger.four}: nothing is opened"
    )
    assert server.log.count("add FWKNOP_INPUT 10.77.0.11") == 1


@pytest.mark.requirement("9.47", "10.11")
def test_a_shared_sequence_opens_as_often_as_its_limit_says(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    who = scene.caller.four
    for _ in range(3):
        knock(scene.caller, tmp_path, scene.server.four, "--Server-mode", "knock")
    log = server.wait_for(f"{who} exceeded knock limit (set to 2 accesses)")
    whole = f"port knock access sequence matched for {who} (SOURCE block: 4)"
    assert log.count(f"add FWKNOP_INPUT {who} -> 0.0.0.0/0(tcp/80) ACCEPT rule 60 sec") == 1
    assert f"source: {who} -> 0.0.0.0/0(tcp/80) already allowed to connect" in log
    assert log.count(whole) == 3
    assert gets_through(scene.caller.host, scene.server.four, 80)


@pytest.mark.requirement("9.50")
@pytest.mark.requirement("8.21", "8.23", partial=True)
def test_hits_have_to_be_far_enough_apart_and_come_from_the_right_system(
    scene: Trio, server: KnockServer, tmp_path: Path
) -> None:
    words = ("--Server-mode", "shared", "--user-rc", str(tmp_path / "slow"))
    knock(scene.caller, tmp_path, scene.server.four, *words)
    server.wait_for("Sequence min_time (1 seconds) not met: icmp (port sequence num: 1)")
    assert not reaches(scene.caller.host, scene.server.four, 81)
    knock(scene.caller, tmp_path, scene.server.four, *words, pause="1.1")
    server.wait_for(f"port knock access sequence matched for {scene.caller.four} (SOURCE block: 5)")
    assert gets_through(scene.caller.host, scene.server.four, 81)


@pytest.mark.requirement("10.8")
def test_knocks_are_sniffed_while_packets_come_to_the_same_daemon(
    alone: Trio, tmp_path: Path
) -> None:
    """Somebody who is let in by both has one opening."""
    settings = {"KNOCK_SOURCE": "sniff", "PCAP_INTF": "eth0", "PACKET_SOURCES": "udp"}
    with running(alone, tmp_path, f"{ACCESS}\n{stanza()}", **settings) as server:
        knock(alone.stranger, tmp_path, alone.server.four, *ENCRYPTED, "-s")
        server.wait_for(f"add FWKNOP_INPUT {alone.stranger.four} -> 0.0.0.0/0(tcp/22)")
        assert gets_through(alone.stranger.host, alone.server.four, 22)
        packet = sealed(f"{alone.stranger.four},tcp/22", sent_at=int(time.time()))
        send_datagram(alone.caller.host, packet, alone.server.four, 62201)
        server.wait_for("SPA Packet from IP: 198.51.100.2 received with access source match")
        server.wait_for_judgements(2)
        [opening] = [each for each in server.ruleset().split("{") if alone.stranger.four in each]
        assert opening.count(alone.stranger.four) == 1


@pytest.mark.requirement("8.22")
def test_knocks_are_read_from_the_pipe_that_syslog_writes_to(alone: Trio, tmp_path: Path) -> None:
    pipe = tmp_path / "fifo"
    settings = {"ENABLE_SYSLOG_FILE": "N", "KNOPMD_FIFO": str(pipe)}
    with running(alone, tmp_path, **settings) as server:
        assert pipe.stat().st_mode & 0o777 == 0o600
        lines = [
            LINE.format(stamp=1, source="198.51.100.2", source_port=40000 + at, port=61000 + each)
            for at, each in enumerate(octets(18))
        ]
        with pipe.open("w") as syslog:
            syslog.write("Nov 21 09:17:20 fw kernel: [2.000000] IN= OUT= and nothing else\n")
            syslog.writelines(lines)
        server.wait_for("add FWKNOP_INPUT 198.51.100.2 -> 0.0.0.0/0(tcp/22)")
        assert gets_through(alone.caller.host, alone.server.four, 22)
        with pipe.open("w") as syslog:
            for line in lines:
                forged = line.replace("198.51.100.2", "192.0.2.66")
                syslog.write(forged.replace("fw kernel: ", "fw mallory: kernel: "))
        server.wait_for(f"{pipe} has lines of other programs")
        assert "192.0.2.66" not in server.log
