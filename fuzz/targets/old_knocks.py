"""What old knocks are read from: packets, lines of the kernel's log, messages, signatures.

Invariants: a hit stands where the header says, or in the line; a line is the kernel's only if its
tag is; a message that is read is the one that would be written for what is in it; a file of
signatures is signatures, or remarks that each have a place.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from fuzz.target import Target
from watchword.dialects.fwknop import pf_os
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.lab import knock_frames
from watchword.model.crypto import Secret
from watchword.model.old_knocks import Signatures
from watchword.recognise.fingerprints import systems
from watchword.wire.hits import hit_of
from watchword.wire.kernel_log import Logged, Other, read
from watchword.wire.knock_message import (
    KnockMessage,
    UnreadableKnockError,
    open_message,
    seal,
)

_KEY = Secret(b"testtest12")
_HEAD = "Nov 21 09:17:20 fw kernel: [2435.015271] DROP IN=eth0 OUT= MAC=02:00:00 "
_SYN = "PROTO=TCP SPT=38668 DPT=61083 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080A)"
_SIGNATURES = Signatures(pf_os.read(pf_os.OURS, "ours", Complaints()))


def check_hit(octets: bytes) -> str:
    hit = hit_of(octets)
    if hit is None:
        return "none"
    six = octets[0] >> 4 == 6
    start = 40 if six else (octets[0] & 15) * 4
    assert octets[8 if six else 12 : 40 if six else 20] == hit.source + hit.destination
    if hit.protocol != 1:
        assert octets[start : start + 4] == hit.source_port.to_bytes(2) + hit.port.to_bytes(2)
    assert (hit.look is not None) == (hit.protocol == 6 and bool(octets[start + 13] & 2))
    systems(hit, _SIGNATURES)
    return f"{4 + 2 * six} {hit.protocol}"


def check_line(octets: bytes) -> str:
    line = octets.decode("utf-8", "replace")
    found = read(line)
    if isinstance(found, Other):
        return found.name
    assert isinstance(found, Logged)
    assert "kernel" in line.partition("IN=")[0]
    for address, name in ((found.hit.source, "SRC="), (found.hit.destination, "DST=")):
        assert any(_means(text, address) for text in line.split(name)[1:])
    assert found.hit.protocol == 1 or f"DPT={found.hit.port}" in line.replace("DPT=0", "DPT=")
    systems(found.hit, _SIGNATURES)
    return f"{len(found.hit.source)} {found.hit.protocol}"


def _means(text: str, address: bytes) -> bool:
    try:
        return ip_address(text.partition(" ")[0]).packed == address
    except ValueError:
        return False


def check_message(octets: bytes) -> str:
    try:
        message = open_message(octets, _KEY)
    except UnreadableKnockError as error:
        return str(error).partition(":")[0]
    assert len(message.user.encode("utf-8", "surrogateescape")) <= 24
    again = seal(message, _KEY, salt=octets[8:16])
    assert again[:16] == octets[:16]
    short = KnockMessage(message.allow, message.protocol, message.port, message.user[:7])
    assert open_message(seal(short, _KEY, salt=octets[8:16])[:32], _KEY) == short
    return "message"


def check_signatures(octets: bytes) -> str:
    complaints = Complaints()
    found = pf_os.read(octets.decode("utf-8", "surrogateescape"), "pf.os", complaints)
    for each in complaints.listed():
        assert each.place is not None
        assert not each.fatal
    hit = hit_of(next(seed_hits()))
    assert hit is not None
    assert systems(hit, Signatures(found)) <= {each.name for each in found}
    return f"{min(len(found), 2)} signatures"


def seed_hits() -> Iterator[bytes]:
    for source, there in (("192.0.2.7", "203.0.113.1"), ("2001:db8::7", "2001:db8::1")):
        for flags in (2, 18, None):
            yield knock_frames.knock(source, there, 61083, flags)
    four = knock_frames.knock("192.0.2.7", "203.0.113.1", 7000, 2)
    yield b"\x46" + four[1:20] + bytes(4) + four[20:]
    yield four[:9] + b"\x01" + four[10:20] + b"\x08\x00"


def seed_lines() -> Iterator[bytes]:
    four = "SRC=10.77.0.11 DST=10.77.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=9 DF "
    six = "SRC=2001:db8::7 DST=2001:db8::1 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=511 "
    for text in (
        f"{four}{_SYN}", f"{six}{_SYN}", f"{four}PROTO=UDP SPT=5 DPT=7001 LEN=9",
        f"{four}PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1", f"{six}PROTO=ICMPv6 TYPE=128 CODE=0 ",
        f"{four}PROTO=TCP SPT=1 DPT=2 SEQ=1 ACK=0 WINDOW=1 RES=0x00 ACK FIN URGP=0 ",
    ):  # fmt: skip
        yield f"{_HEAD}{text}".encode("ascii")
        yield f"<6>1 2026-11-21T09:17:20Z fw kernel - - - IN=a OUT= {text}".encode("ascii")


def seed_messages() -> Iterator[bytes]:
    for number, user in enumerate(("", "mbr", "eight888")):
        message = KnockMessage(None, (6, 17, 1)[number], 22 if number < 2 else 0, user)
        yield seal(message, _KEY, salt=bytes([number]) * 8)[:32]


def seed_signatures() -> Iterator[bytes]:
    yield pf_os.OURS.encode("ascii")
    yield b"# x\nS4:64:1:60:M*,S,T0,N,W%2:\ta:b:c:d\nT4:64:0:%8:.: x\n*:255:*:*:?9: y\n"


HITS = Target(
    "hits",
    "a packet is no hit of an old knock, or one that stands where its headers say",
    check_hit,
    seed_hits,
    words=(b"\x45", b"\x4f", b"\x60", b"\x06", b"\x11", b"\x3a", b"\x80\x00"),
)
LOG_LINES = Target(
    "log-lines",
    "a line of the log is the kernel's only if its tag says so, and a hit only if that is in it",
    check_line,
    seed_lines,
    words=tuple(
        each.encode("ascii")
        for each in (
            "kernel: ",
            " IN=",
            "OUT=",
            "SRC=",
            "DST=",
            "PROTO=TCP ",
            "OPT (",
            "SYN ",
            "::",
        )
    ),
)
KNOCK_MESSAGES = Target(
    "knock-messages",
    "an encrypted sequence is refused, or says what would be written for what it says",
    check_message,
    seed_messages,
    words=(b"Salted__",),
)
SIGNATURES = Target(
    "signatures",
    "a file of signatures is signatures, or remarks with places",
    check_signatures,
    seed_signatures,
    words=(b"\n", b":", b",", b"M*", b"%", b"S4", b"T0", b" x"),
)
