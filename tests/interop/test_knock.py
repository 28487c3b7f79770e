"""Our knock and the packaged one put the same packets on the wire."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from tests.daemon import PROGRAMS
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside, listen

pytestmark = [pytest.mark.system, pytest.mark.peer("knock")]

PACKAGED, OURS = "/usr/bin/knock", str(PROGRAMS / "knock")
OPEN = 7777
_OUTGOING, _ALL = 4, 3


@dataclass(frozen=True)
class Wire:
    """A host that listens to everything another one sends."""

    target: Host
    knocker: Host
    ear: socket.socket

    def sent_by(self, program: str, *words: str) -> tuple[int, list[tuple[object, ...]]]:
        """The exit status, and protocol, port, flags, size and options of every packet."""
        done = self.knocker.run(program, *words, check=False)
        self.knocker.run(program, "10.77.0.1", "1")  # what came before has come by then
        return done.returncode, list(self._heard())

    def alike(self, *words: str) -> tuple[int, list[tuple[object, ...]]]:
        """What ours sends, once both send the same.

        When a program goes on before the answer is there, as on a busy machine, the kernel sends
        something else for it.
        """
        for _ in range(5):
            ours, theirs = self.sent_by(OURS, *words), self.sent_by(PACKAGED, *words)
            if ours == theirs:
                break
        assert ours == theirs
        return ours

    def _heard(self) -> Iterator[tuple[object, ...]]:
        while True:
            octets, (_, kind, way, _, _) = self.ear.recvfrom(2048)
            if way == _OUTGOING or kind not in (0x0800, 0x86DD):
                continue
            header = 40 if kind == 0x86DD else (octets[0] & 15) * 4
            protocol = octets[6] if kind == 0x86DD else octets[9]
            if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                continue
            [port] = struct.unpack_from("!H", octets, header + 2)
            if (protocol, port) == (socket.IPPROTO_TCP, 1):
                return
            flags = octets[header + 13] if protocol == socket.IPPROTO_TCP else None
            rest = octets[header + 8 :] if protocol == socket.IPPROTO_UDP else b""
            yield protocol, port, flags, len(octets), rest


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Lab() as lab:
        target, knocker = lab.host("target"), lab.host("knocker")
        lab.link(
            (target, "eth0", ("10.77.0.1/24", "fd77::1/64")),
            (knocker, "eth0", ("10.77.0.11/24", "fd77::11/64")),
        )
        kind = socket.SOCK_DGRAM
        ear = inside(target, lambda: socket.socket(socket.AF_PACKET, kind, socket.htons(_ALL)))
        ear.settimeout(60)
        with closing(ear), closing(listen(target, "10.77.0.1", OPEN)):
            yield Wire(target, knocker, ear)


@pytest.mark.requirement("3.24")
@pytest.mark.parametrize(
    "words",
    [
        ("10.77.0.1", "7000", "8000", "9000"),
        ("10.77.0.1", "7000:tcp", "8000:udp", "9000"),
        ("-u", "10.77.0.1", "7000:tcp", "8000"),
        ("-4", "-6", "fd77::1", "7000", "53:udp"),
        ("-6", "-4", "10.77.0.1", "ssh", "domain:udp", "http:udp"),
        ("10.77.0.1", "7000", "-d", "5", "8000", "9000"),
        ("10.77.0.1", "7000", "7000", str(OPEN), "7000"),
        ("10.77.0.1", "0"),
    ],
    ids=" ".join,
)
def test_both_programs_send_the_same_packets(wire: Wire, words: tuple[str, ...]) -> None:
    _, packets = wire.alike(*words)
    assert packets


def test_a_port_that_does_not_answer_gets_one_packet_and_is_not_waited_for(wire: Wire) -> None:
    silent = "add table ip t; add chain ip t c { type filter hook input priority 0; }; "
    wire.target.run("nft", silent + "add rule ip t c tcp dport 7901-7903 drop")
    words = ("10.77.0.1", "7901", "7902", "7903")
    try:
        _, packets = wire.alike(*words)
        assert [each[1] for each in packets] == [7901, 7902, 7903]
    finally:
        wire.target.run("nft", "delete table ip t")


@pytest.mark.parametrize(
    "words",
    [
        ("-v", "10.77.0.1", "7000", "ssh", "8000:udp"),
        ("-v", "-u", "fd77::1", "7000:tcp"),
        ("-V",),
        ("-h",),
        ("10.77.0.1",),
        ("-d", "-5", "10.77.0.1", "1"),
        ("10.99.0.1", "7000"),
        ("no-such-host.invalid", "7000"),
    ],
    ids=" ".join,
)
def test_both_programs_say_the_same_first_line_and_end_alike(
    wire: Wire, words: tuple[str, ...]
) -> None:
    ours, theirs = (wire.knocker.run(program, *words, check=False) for program in (OURS, PACKAGED))
    assert ours.returncode == theirs.returncode
    if "-v" in words:
        assert ours.stdout == theirs.stdout
    assert ours.stdout.splitlines()[:1] == theirs.stdout.splitlines()[:1]
    if theirs.stderr:
        assert ours.stderr.splitlines()[0] == theirs.stderr.splitlines()[0]
