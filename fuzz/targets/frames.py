"""Captured frames, and files of them.

Invariants: any frame is None, or a packet whose payload is a part of the frame
that the IP header names; any file is its packets, or an OperatorError.

An input is a byte that chooses the link type and a frame; or a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import pairwise
from typing import Literal

from fuzz import keys
from fuzz.target import Target
from watchword.errors import OperatorError
from watchword.wire import pcap
from watchword.wire.frames import ICMP, ICMPV6, TCP, UDP, Link, packet_above, packet_of

_LINKS = tuple(Link)
_PORTS = {TCP, UDP}
_TRAILER = b"\xaa" * 5  # what network cards put behind short frames
_HEADERS = {
    Link.ETHERNET: bytes(12) + b"\x08\x00",
    Link.LINUX_COOKED: bytes(14) + b"\x08\x00",
    Link.LINUX_COOKED_2: b"\x08\x00" + bytes(18),
    Link.PPP: b"\xff\x03\x00\x21",
    Link.NULL: b"\2\0\0\0",
    Link.RAW: b"",
}


def check_frame(octets: bytes) -> str:
    link, frame = _LINKS[octets[0] % len(_LINKS) if octets else 0], octets[1:]
    packet = packet_of(frame, link)
    if link is Link.ETHERNET:
        cooked = packet_above(int.from_bytes(frame[12:14], "big"), frame[14:])
        assert packet is None or cooked == packet
        assert cooked is None or cooked.payload in frame
    if packet is None:
        return "none"
    assert packet.payload
    assert packet.payload in frame
    assert packet_of(frame + _TRAILER, link) == packet
    peer, local = ip_address(packet.peer), ip_address(packet.local)
    assert peer.version == local.version
    assert peer.packed + local.packed in frame
    assert packet.protocol in {*_PORTS, ICMP, ICMPV6}
    for port in (packet.peer_port, packet.local_port):
        assert 0 <= port <= (65535 if packet.protocol in _PORTS else 0)
    return f"packet {packet.protocol}"


def check_file(octets: bytes) -> str:
    try:
        records = list(pcap.records(octets))
    except OperatorError:
        records = None
    assert records is None or _in_pieces(octets) == records
    found = []
    try:
        for each in pcap.packets(octets):
            found.append(each)
    except OperatorError:
        assert records is None
        return "broken"
    assert records is not None
    assert [each.frame for each in records] == list(_walked(octets))
    assert len(found) <= len(records)
    frames = iter(records)
    for at, packet in found:
        assert any(each.at == at and packet.payload in each.frame for each in frames)
    return "packets" if found else "no packets"


def _in_pieces(octets: bytes) -> list[pcap.Record]:
    """The same file as it arrives while somebody writes it."""
    reader, cuts = pcap.Reader(), (0, 1, 24, 25, len(octets) // 2, len(octets))
    pieces = [octets[a:b] for a, b in pairwise(sorted(cuts))]
    return [record for each in pieces for record in reader.feed(each)]


def _walked(octets: bytes) -> Iterator[bytes]:
    """The frames of a whole capture file, found by their lengths alone."""
    order: Literal["little", "big"] = "big" if octets[0] == 0xA1 else "little"
    at = 24
    while at < len(octets):
        size = int.from_bytes(octets[at + 8 : at + 12], order)
        assert at + 16 + size <= len(octets)
        yield octets[at + 16 : at + 16 + size]
        at += 16 + size


def _datagram(version: int, protocol: int, payload: bytes) -> bytes:
    head = {
        TCP: struct.pack("!HHIIBBHHH", 40000, 62201, 1, 0, 0x50, 2, 1000, 0, 0),
        UDP: struct.pack("!HHHH", 40000, 62201, 8 + len(payload), 0),
    }.get(protocol, b"\x08\0\0\0\0\1\0\1")
    content = head + payload
    if version == 4:
        size = 20 + len(content)
        start = struct.pack("!BBHHHBBH", 0x45, 0, size, 1, 0, 64, protocol, 0)
        return start + bytes(range(1, 9)) + content
    return struct.pack("!IHBB", 6 << 28, len(content), protocol, 64) + bytes(range(32)) + content


def seed_frames() -> Iterator[bytes]:
    payload = next(keys.golden_packets())[2:]
    for link, start in _HEADERS.items():
        for protocol in (TCP, UDP, ICMP):
            yield bytes([_LINKS.index(link)]) + start + _datagram(4, protocol, payload)
    six = bytes(12) + b"\x86\xdd"
    tagged = bytes(12) + b"\x81\x00\x00\x05\x88\xa8\x00\x06\x86\xdd"
    for start in (six, tagged):
        for protocol in (TCP, UDP, ICMPV6):
            frame = start + _datagram(6, protocol, payload)
            yield bytes([_LINKS.index(Link.ETHERNET)]) + frame
    session = struct.pack("!HHHH", 0x1100, 7, 2 + len(_datagram(4, UDP, payload)), 0x21)
    pppoe = bytes(12) + b"\x88\x64" + session + _datagram(4, UDP, payload)
    yield bytes([_LINKS.index(Link.ETHERNET)]) + pppoe
    yield bytes([_LINKS.index(Link.PPPOE)]) + pppoe[14:]
    whole = _datagram(6, UDP, payload)
    chained = whole[:6] + b"\x3c" + whole[7:40] + b"\x2c\0" + bytes(6) + b"\x11\0\0\0" + bytes(4)
    length = struct.pack("!H", len(whole) - 40 + 16)
    yield bytes([_LINKS.index(Link.RAW)]) + chained[:4] + length + chained[6:] + whole[40:]


def seed_files() -> Iterator[bytes]:
    frames = list(seed_frames())
    for order, magic in (("<", 0xA1B2C3D4), (">", 0xA1B2C3D4), ("<", 0xA1B23C4D)):
        for link in _HEADERS:
            mine = [each[1:] for each in frames if _LINKS[each[0]] is link]
            records = b"".join(
                struct.pack(f"{order}IIII", 1_700_000_000, 5, len(each), len(each)) + each
                for each in mine
            )
            yield struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, int(link)) + records


FRAMES = Target(
    "frames",
    "any frame is no packet, or one whose payload and addresses stand in it",
    check_frame,
    seed_frames,
    words=(
        b"\x88\x64\x11\x00",
        b"\x00\x21",
        b"\x08\x00",
        b"\x86\xdd",
        b"\x81\x00",
        b"\x88\xa8",
        b"\x45\x00",
        b"\x60\0\0\0",
    ),
)
CAPTURES = Target(
    "captures",
    "any file is its packets in their order, or an OperatorError",
    check_file,
    seed_files,
    words=(b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a"),
    longest=4096,
)
