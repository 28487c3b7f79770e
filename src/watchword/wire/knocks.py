"""Knocks in captured packets: addresses, port and TCP flags, and nothing of the payload.

In here: bytes from the IP header on to a Knock.
Not in here: which knocks are of interest (recognise.doors), the kernel's filter
(edges.capture.knocks), packets with payloads (frames).

What counts is what knockd's filters see (knockd, section 4): TCP and UDP, no
fragment but the first, no IPv6 with extension headers, and the link layer may
not have tagged it. Packets come from strangers and may be cut anywhere: what
lacks a byte that is looked at is None, never an error.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from watchword.model.doors import TCP, UDP, Knock

SNAP: Final = 128
"""Bytes of a packet that are looked at, at the most: the longest IPv4 header and a TCP header."""
_BUFFER: Final = bytes(SNAP)
_FOUR: Final = Struct("!6xHxB2x4s4s2xH9xB").unpack_from
"""Fragment, protocol, addresses, port, flags: without IPv4 options."""
_FOUR_HEADER: Final = Struct("!B5xHxB2x4s4s").unpack_from
_SIX: Final = Struct("!6xBx16s16s2xH9xB").unpack_from
_PORT: Final = Struct("!2xH9xB").unpack_from
_OFFSET: Final = 0x1FFF
_FLAGS_AT: Final = 13
_PORTS: Final = 4
_FLAGS: Final = 0x3F
_new: Final = tuple.__new__  # of a named tuple: its own constructor takes twice as long


def knock_in(octets: bytes | bytearray, size: int) -> Knock | None:
    """The knock that a packet is; None if it is none.

    Args:
        octets: At least ``SNAP`` bytes, of which those behind ``size`` mean nothing.
        size: How many bytes were captured.
    """
    first = octets[0]
    if first == 0x45:
        fragment, protocol, source, destination, port, flags = _FOUR(octets)
        if fragment & _OFFSET:
            return None
        size -= 20
    elif first >> 4 == 6:
        protocol, source, destination, port, flags = _SIX(octets)
        size -= 40
    elif first >> 4 == 4:
        return _with_options(octets, size)
    else:
        return None
    if protocol == TCP and size > _FLAGS_AT:
        return _new(Knock, (source, destination, TCP, port, flags & _FLAGS))
    if protocol == UDP and size >= _PORTS:
        return _new(Knock, (source, destination, UDP, port, 0))
    return None


def _with_options(octets: bytes | bytearray, size: int) -> Knock | None:
    _, fragment, protocol, source, destination = _FOUR_HEADER(octets)
    header = (octets[0] & 15) * 4
    if header < 20 or fragment & _OFFSET:
        return None
    port, flags = _PORT(octets, header)
    if protocol == TCP and size - header > _FLAGS_AT:
        return Knock(source, destination, TCP, port, flags & _FLAGS)
    if protocol == UDP and size - header >= _PORTS:
        return Knock(source, destination, UDP, port)
    return None


def knock_of(packet: bytes) -> Knock | None:
    """The same for a packet of any length."""
    return knock_in(packet[:SNAP] + _BUFFER, min(len(packet), SNAP)) if packet else None
