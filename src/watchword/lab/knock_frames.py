"""Frames with knocks in them, made by hand: any source, any flags."""

from __future__ import annotations

import struct
from ipaddress import ip_address

_NOWHERE = bytes.fromhex("ffffffffffff020000000099")


def packet(source: str, destination: str, protocol: int, content: bytes) -> bytes:
    """An IP packet. Of its checksums it has that of IPv4, without which no host looks at it."""
    here, there = ip_address(source).packed, ip_address(destination).packed
    if len(here) == 4:
        size = 20 + len(content)
        head = struct.pack("!BBHHHBB", 0x45, 0, size, 1, 0, 64, protocol)
        head += _checksum(head + here + there)
    else:
        head = struct.pack("!IHBB", 6 << 28, len(content), protocol, 64)
    return head + here + there + content


def _checksum(words: bytes) -> bytes:
    """Of a header without the two bytes that it is put into."""
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def segment(port: int, flags: int, source_port: int = 40000) -> bytes:
    """A TCP header."""
    return struct.pack("!HHIIBBHHH", source_port, port, 1, 1, 5 << 4, flags, 1024, 0, 0)


def datagram(port: int, source_port: int = 40000) -> bytes:
    return struct.pack("!HHHH", source_port, port, 9, 0) + b"\0"


def knock(source: str, destination: str, port: int, flags: int | None) -> bytes:
    """A packet to a port; ``flags`` None: a datagram."""
    if flags is None:
        return packet(source, destination, 17, datagram(port))
    return packet(source, destination, 6, segment(port, flags))


def frame(content: bytes) -> bytes:
    """On Ethernet, to everybody: no host answers it."""
    return _NOWHERE + (b"\x08\x00" if content[0] >> 4 == 4 else b"\x86\xdd") + content
