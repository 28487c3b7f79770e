"""Packets that may be knocks; files of knockd's.

Invariants: a packet is no knock, or one whose addresses, port and flags stand where the IP
header says; a knockd.conf is doors, or complaints that each have a remedy, and quotes no
secret; using up a sheet marks one line after the other, one byte each, until there is none.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from fuzz.target import Target
from watchword.dialects.knockd import conf, one_time
from watchword.errors import OperatorError
from watchword.lab import knock_frames
from watchword.wire.knocks import knock_of

_SECRET = base64.b64encode(b"a secret that nobody may ever read").decode("ascii")
_MOST_LINES = 100


def check_packet(octets: bytes) -> str:
    found = knock_of(octets)
    if found is None:
        return "none"
    six = octets[0] >> 4 == 6
    start = 40 if six else (octets[0] & 15) * 4
    assert octets[6 if six else 9] == found.protocol
    if not six:
        assert octets[0] >> 4 == 4
        assert int.from_bytes(octets[6:8]) & 0x1FFF == 0
    assert octets[8 if six else 12 : 40 if six else 20] == found.source + found.destination
    assert octets[start + 2 : start + 4] == found.port.to_bytes(2)
    flags = octets[start + 13] & 0x3F if found.protocol == 6 else 0
    assert found.flags == flags
    return f"{4 + 2 * six} {found.protocol}"


def check_conf(octets: bytes) -> str:
    text = octets.decode("utf-8", "surrogateescape")
    try:
        found = conf.read(text, "knockd.conf")
    except OperatorError as error:
        assert error.complaints
        for each in error.complaints:
            assert each.fatal
            assert each.hint
            assert _SECRET not in str(each)
        return "refused"
    assert _SECRET not in repr(found)
    for number, door in enumerate(found.doors, start=1):
        assert door.number == number
        assert bool(door.sequence) + (door.one_time is not None) + (door.rotation is not None)
        assert all(1 <= each.port <= 65535 for each in door.sequence)
        assert len(door.sequence) <= 32
    return f"{min(len(found.doors), 3)} doors"


def check_sheet(octets: bytes) -> str:
    content = octets
    for used in range(_MOST_LINES):
        sequence = one_time.next_sequence(content).sequence
        if not sequence:
            return "empty" if not used else "used up"
        place = one_time.place_of_mark(content, sequence)
        assert place is not None
        assert content[place : place + 1] != b"#"
        assert place == 0 or content[place - 1 : place] == b"\n"
        content = content[:place] + b"#" + content[place + 1 :]
        assert one_time.place_of_mark(content, sequence) != place
    return "long"


def seed_packets() -> Iterator[bytes]:
    for source, there in (("192.0.2.7", "203.0.113.1"), ("2001:db8::7", "2001:db8::1")):
        for flags in (2, 18, None):
            yield knock_frames.knock(source, there, 7000, flags)
    four = knock_frames.knock("192.0.2.7", "203.0.113.1", 7000, 2)
    yield b"\x46" + four[1:20] + bytes(4) + four[20:]
    yield four[:6] + b"\x20\x00" + four[8:]


def seed_confs() -> Iterator[bytes]:
    yield b"[options]\n\tUseSyslog\nLogFile = /x\nInterface = eth0,eth1\nJumpFrom = inet a b\n"
    yield b"[a]\nsequence = 7000,8000:udp\nseq_timeout = 5\ncommand = a %IP%\ntcpflags = syn,!ack\n"
    yield b"[b]\none_time_sequences = /x\nopen = tcp/22\ncmd_timeout = 9\ntarget = ::1\n"
    yield f"[c]\nsecret = {_SECRET}\nknocks = 5\nevery = 30\nclose = tcp/22\n".encode("ascii")
    yield b"[d]\nsequence = 1\nstrict = yes\nbesides = udp/53\nmax_failures = 3/60\nshell = yes\n"


def seed_sheets() -> Iterator[bytes]:
    yield b" 7000,8000\n#7000,8000\n\n 99999\n 7100:udp,8100\n"
    yield b"7000,8000"
    yield b"# nothing\n"


KNOCKS = Target(
    "knocks",
    "any packet is no knock, or one that stands where the IP header says",
    check_packet,
    seed_packets,
    words=(b"\x45", b"\x4f", b"\x60", b"\x06", b"\x11", b"\x20\x00"),
)
DOORS = Target(
    "doors",
    "a knockd.conf is doors, or complaints with remedies; no secret is quoted",
    check_conf,
    seed_confs,
    words=tuple(
        each.encode("ascii")
        for each in ("\n[", "]\n", " = ", "sequence", "open", ",", ":udp", "!syn", "/60", _SECRET)
    ),
)
SHEETS = Target(
    "sheets",
    "a sheet is used up line by line, one byte each",
    check_sheet,
    seed_sheets,
    words=(b"\n ", b"#", b":udp", b"7000", b","),
)
