"""Captured frames to packets: link layer, IP, and the header in front of a payload.

In here: Ethernet with VLAN tags and PPPoE, PPP, raw IP, Linux cooked v1 and v2,
loopback; IPv4 and IPv6; UDP, TCP and ICMP (wire format, 13.1).
Not in here: files of frames (pcap), what a payload says (spa), fragments and
TCP streams: one packet is one payload, as for every passive listener. No
checksum is looked at: compatible senders leave some out, and in a capture of
one's own packets they are not there yet.

Frames come from strangers. What is not a whole packet with a payload is None,
never an error, and nothing is read past the end that the IP header names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, TypeAlias

from watchword.model.packets import Packet


class Link(IntEnum):
    """Link types that are understood, numbered as in capture files."""

    NULL = 0
    ETHERNET = 1
    PPP = 9
    RAW_BSD = 12
    RAW_OPENBSD = 14
    PPP_SERIAL = 50
    PPPOE = 51
    RAW = 101
    LOOP = 108
    LINUX_COOKED = 113
    IPV4 = 228
    IPV6 = 229
    LINUX_COOKED_2 = 276


_VLAN_TYPES: Final = {0x8100, 0x88A8, 0x9100}
_MAX_TAGS: Final = 2
_IP_TYPES: Final = {0x0800, 0x86DD}
_PPPOE_SESSION: Final = 0x8864
_PPP_IP: Final = {0x0021, 0x0057}
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_CARRIERS: Final = (UDP, TCP, ICMP, ICMPV6)
_SHORTEST_HEADER: Final = 8  # of UDP and ICMP

_FRAGMENT: Final = 44
_AUTHENTICATION: Final = 51
_EXTENSIONS: Final = {0, 43, 60, 135, 139, 140}
"""Hop by hop, routing, destination options, mobility, HIP, Shim6: all of the same form."""
EXTENSIONS: Final = frozenset({*_EXTENSIONS, _FRAGMENT, _AUTHENTICATION})
"""All headers that may stand between an IPv6 header and what it carries."""
_MAX_EXTENSIONS: Final = 8


_Datagram: TypeAlias = tuple[str, str, int, bytes]
"""An IP packet without its header: source, destination, protocol, content."""


def packet_of(frame: bytes, link: Link) -> Packet | None:
    """The payload in a frame and where it came from; None if there is none.

    Carriers are UDP, TCP (each segment for itself) and ICMP of both families;
    ICMP has no ports, they are 0.
    """
    return _packet(_ABOVE_LINK[link](frame))


def packet_above(ethertype: int, content: bytes, interface: str = "") -> Packet | None:
    """The same for a frame whose link header was taken off; ``ethertype`` is what it announced.
    ``interface``: where it was seen, as in ``Packet``.

    VLAN tags and PPPoE may still stand in front. Newer kernels then announce
    what stands behind the tags; taken for an IP header, a tag with a type names
    a length that no packet has.
    """
    found = _packet(_network(ethertype, content), interface)
    if found is None and ethertype in _IP_TYPES:
        found = _packet(_network(_number(content, 2), content[4:]), interface)
    return found


def network_of(frame: bytes, link: Link) -> tuple[int, bytes]:
    """The Ethernet type of what a frame carries, and that from its IP header on; else 0, empty."""
    content = _ABOVE_LINK[link](frame)
    versions = {4: 0x0800, 6: 0x86DD}
    return (versions.get(content[0] >> 4, 0), content) if content else (0, b"")


def _packet(content: bytes, interface: str = "") -> Packet | None:
    if not content:
        return None
    datagram = _ipv4(content) if content[0] >> 4 == 4 else _ipv6(content)
    return _carried(datagram, interface) if datagram else None


def _number(octets: bytes, start: int, size: int = 2) -> int:
    return int.from_bytes(octets[start : start + size], "big")


def _network(kind: int, content: bytes) -> bytes:
    """The IP packet in what an Ethernet type announces; empty if there is none."""
    for _ in range(_MAX_TAGS):
        if kind not in _VLAN_TYPES:
            break
        kind, content = _number(content, 2), content[4:]
    if kind == _PPPOE_SESSION:
        return _above_pppoe(content)
    return content if kind in _IP_TYPES else b""


def _above_pppoe(frame: bytes) -> bytes:
    """Version 1, type 1, code 0, and as many bytes as it says; the rest is padding."""
    size = _number(frame, 4)
    if _number(frame, 0) != 0x1100 or size > len(frame) - 6:
        return b""
    return _above_ppp(frame[6 : 6 + size])


def _above_ppp(frame: bytes) -> bytes:
    start = 2 if frame.startswith(b"\xff\x03") else 0  # address and control, often left out
    return frame[start + 2 :] if _number(frame, start) in _PPP_IP else b""


_ABOVE_LINK: Final[dict[Link, Callable[[bytes], bytes]]] = {
    Link.ETHERNET: lambda frame: _network(_number(frame, 12), frame[14:]),
    Link.LINUX_COOKED: lambda frame: _network(_number(frame, 14), frame[16:]),
    Link.LINUX_COOKED_2: lambda frame: _network(_number(frame, 0), frame[20:]),
    Link.PPPOE: _above_pppoe,
    Link.PPP: _above_ppp,
    Link.PPP_SERIAL: _above_ppp,
    # Four bytes of address family, numbered differently by every system; IP says its version.
    Link.NULL: lambda frame: frame[4:],
    Link.LOOP: lambda frame: frame[4:],
    **dict.fromkeys((Link.RAW, Link.RAW_BSD, Link.RAW_OPENBSD, Link.IPV4, Link.IPV6), bytes),
}


_IPV4_HEADER: Final = struct.Struct("!BxH2xHxB2x8B")
"""Version and length, total length, fragment, protocol, both addresses byte by byte."""


def _ipv4(octets: bytes) -> _Datagram | None:
    if len(octets) < _IPV4_HEADER.size:
        return None
    first, total, fragment, protocol, a, b, c, d, e, f, g, h = _IPV4_HEADER.unpack_from(octets)
    header = (first & 0x0F) * 4
    if header < 20 or not header <= total <= len(octets):
        return None
    if fragment & 0x3FFF:  # more fragments, or not the first
        return None
    # Text by hand: IPv4Address takes longer than all the rest.
    return (f"{a}.{b}.{c}.{d}", f"{e}.{f}.{g}.{h}", protocol, octets[header:total])


@lru_cache(maxsize=256)
def _ipv6_text(address: bytes) -> str:
    """Most packets are for an address that was seen before."""
    return str(IPv6Address(address))


def _ipv6(octets: bytes) -> _Datagram | None:
    end = 40 + _number(octets, 4)
    if octets[0] >> 4 != 6 or end > len(octets):
        return None
    source, destination = str(IPv6Address(octets[8:24])), _ipv6_text(octets[24:40])
    protocol, content = octets[6], octets[40:end]
    for _ in range(_MAX_EXTENSIONS):
        if protocol == _FRAGMENT and len(content) >= 8 and not _number(content, 2) & 0xFFF9:
            protocol, content = content[0], content[8:]  # a fragment that is the whole
        elif protocol in _EXTENSIONS and len(content) >= 8:
            protocol, content = content[0], content[8 + content[1] * 8 :]
        elif protocol == _AUTHENTICATION and len(content) >= 12:
            protocol, content = content[0], content[8 + content[1] * 4 :]
        else:
            break
    return (source, destination, protocol, content)


_PORTS: Final = struct.Struct("!HH")


def _carried(datagram: _Datagram, interface: str) -> Packet | None:
    """Take the carrier's header off. None: another protocol, a cut header, no payload."""
    source, destination, protocol, content = datagram
    if protocol not in _CARRIERS or len(content) <= _SHORTEST_HEADER:
        return None
    header = _SHORTEST_HEADER
    if protocol == TCP:
        header = _number(content, 12, 1) >> 4 << 2
        if header < 20 or len(content) <= header:
            return None
    peer_port, local_port = _PORTS.unpack_from(content) if protocol in (UDP, TCP) else (0, 0)
    return Packet(content[header:], source, peer_port, destination, local_port, protocol, interface)
