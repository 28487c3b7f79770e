"""Packets of old knocks as they are captured: bytes from the IP header on to a Hit.

In here: TCP, UDP and echo requests of both families. Not in here: lines of a log (kernel_log),
knocks of knockd's kind (knocks), what hits mean (recognise.sequences).

Packets come from strangers and may be cut anywhere: what lacks a byte that is needed is None,
never an error. Fragments beyond the first, and IPv6 with headers in between, are none.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from watchword.model.hits import Hit, Look

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SYN, ACK = 2, 16
ECHO, ECHO_6 = 8, 128
LONGEST: Final = 128
"""Bytes of a packet that are needed, at the most."""
_FOUR: Final = Struct("!BxHxxHBBxx4s4s")
_SIX: Final = Struct("!IHBB16s16s")
_TCP: Final = Struct("!HHIxxxxBBH")
_PORTS: Final = Struct("!HH")
_SHORTEST_TCP: Final = 20
_FLAGS: Final = 0x3F
_OFFSET, _WHOLE = 0x1FFF, 0x4000


def hit_of(octets: bytes, interface: str = "", *, beginnings: bool = False) -> Hit | None:
    """The hit that a packet is; None if it is none.

    Args:
        octets: The packet, or as much of it as was captured.
        interface: Where it was seen.
        beginnings: Of TCP only what begins a connection: not every packet that passes an
            interface was kept out by a firewall.
    """
    first = octets[0] >> 4 if octets else 0
    if first == 4 and len(octets) >= _FOUR.size:
        head, length, fragment, ttl, protocol, source, destination = _FOUR.unpack_from(octets)
        start = (head & 15) * 4
        if start < _FOUR.size or fragment & _OFFSET:
            return None
        whole = bool(fragment & _WHOLE)
    elif first == 6 and len(octets) >= _SIX.size:
        _, length, protocol, ttl, source, destination = _SIX.unpack_from(octets)
        start, whole = _SIX.size, True
        length += start
    else:
        return None
    content = octets[start:]
    if protocol == TCP and len(content) >= _SHORTEST_TCP:
        look = Look(ttl, length, whole, 0, b"")
        found = _segment(content, source, destination, look, beginnings=beginnings)
        return found._replace(interface=interface) if found is not None else None
    if protocol == UDP and len(content) >= _PORTS.size:
        source_port, port = _PORTS.unpack_from(content)
        return Hit(source, destination, UDP, port, source_port, interface=interface)
    echo = ECHO if first == 4 else ECHO_6
    if protocol == (ICMP if first == 4 else ICMPV6) and content[:1] == bytes([echo]):
        return Hit(source, destination, ICMP, 0, interface=interface)
    return None


def _segment(
    content: bytes, source: bytes, destination: bytes, look: Look, *, beginnings: bool
) -> Hit | None:
    source_port, port, sequence, offset, flags, window = _TCP.unpack_from(content)
    if not flags & _FLAGS or (beginnings and flags & (SYN | ACK) != SYN):
        return None
    seen = None
    if flags & SYN:
        seen = look._replace(window=window, options=content[_SHORTEST_TCP : (offset >> 4) * 4])
    return Hit(source, destination, TCP, port, source_port, sequence, seen)
