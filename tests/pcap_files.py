"""Capture files for tests, as tcpdump writes them, made by hand."""

from __future__ import annotations

import struct
from ipaddress import ip_address


def udp_capture(stamp: float, source: str, payload: bytes) -> bytes:
    """One UDP datagram to port 62201 on Ethernet, microsecond stamps, little endian."""
    datagram = struct.pack("!HHHH", 40000, 62201, 8 + len(payload), 0) + payload
    return _capture(stamp, _ethernet(source, datagram), 1)


def ip_capture(stamp: float, packet: bytes) -> bytes:
    """One IP packet without a link header."""
    return _capture(stamp, packet, 101)


def _capture(stamp: float, frame: bytes, link: int) -> bytes:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    record = struct.pack("<IIII", int(stamp), int(stamp % 1 * 1_000_000), len(frame), len(frame))
    return header + record + frame


def _ethernet(source: str, datagram: bytes) -> bytes:
    address = ip_address(source)
    if address.version == 4:
        there = ip_address("203.0.113.1").packed
        size = 20 + len(datagram)
        head = struct.pack("!BBHHHBBH", 0x45, 0, size, 1, 0, 64, 17, 0)
        return b"\2" * 12 + b"\x08\x00" + head + address.packed + there + datagram
    there = ip_address("2001:db8:1::1").packed
    head = struct.pack("!IHBB", 6 << 28, len(datagram), 17, 64)
    return b"\2" * 12 + b"\x86\xdd" + head + address.packed + there + datagram
