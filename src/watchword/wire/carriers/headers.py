"""IP packets built whole, for sending an SPA packet from a raw socket (wire format, 14.2).

In here: IPv4 and IPv6; UDP, one TCP segment that opens a connection, ICMP and
ICMPv6.
Not in here: sending (edges), choosing ports and numbers at random (the caller),
reading such packets again (frames).

IPv4 is built as the 2.6.10 client does: time to live 255, and no checksum over
UDP and TCP unless asked for. IPv6 has no mode to be compatible with, and needs
those checksums; they are always there.
"""

from __future__ import annotations

import struct
from typing import Final

from watchword.model.addresses import Address
from watchword.record import record
from watchword.wire.frames import ICMP, ICMPV6, TCP, UDP

ECHO_REPLY: Final = {4: 0, 6: 129}
ECHO_REQUEST: Final = {4: 8, 6: 128}
"""ICMP types by IP version; an echo's code is 0."""

_HOPS: Final = 255
_SYN: Final = 0x02
_WINDOW: Final = 32767
_LARGEST: Final = 65535


@record
class Ends:
    """Where a packet says it comes from, and where it goes."""

    source: Address
    """May be anybody's. Unspecified IPv4: the kernel puts its own, if no checksum is over it."""
    destination: Address

    def __post_init__(self) -> None:
        if self.source.version != self.destination.version:
            raise ValueError("source and destination are of different families")

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.destination.version


@record
class Ports:
    """Both 1 to 65535."""

    source: int
    destination: int

    def __post_init__(self) -> None:
        for port in (self.source, self.destination):
            if not 1 <= port <= _LARGEST:
                raise ValueError(f"port {port} is outside 1 to 65535")


def udp_packet(
    payload: bytes, ends: Ends, ports: Ports, *, identification: int = 0, checksums: bool = False
) -> bytes:
    """An IP packet with one UDP datagram (``udpraw``).

    Args:
        identification: 0 to 65535, of the IPv4 header; 0: the kernel chooses.
        checksums: True fills in the UDP checksum over IPv4 too; False leaves it 0, "none".

    Raises ValueError: too long for IP, a number out of its range, or a
    checksum over a source that is not known.
    """
    size = 8 + len(payload)
    _require_fits(size)

    def datagram(checksum: int) -> bytes:
        return struct.pack("!HHHH", ports.source, ports.destination, size, checksum) + payload

    content = datagram(0)
    if checksums or ends.version == 6:
        # 0 would say that there is none (RFC 768).
        content = datagram(_checksum_with(ends, UDP, content) or 0xFFFF)
    return _ip(ends, UDP, content, identification)


def tcp_packet(
    payload: bytes, ends: Ends, ports: Ports, *, identification: int = 0, checksums: bool = False
) -> bytes:
    """An IP packet with one TCP segment: a SYN that already carries the payload (``tcpraw``).

    Arguments and errors as for ``udp_packet``. Without ``checksums`` the TCP
    checksum is 0, which is wrong: a listener on the wire takes the packet, a
    firewall that follows connections may drop it.
    """

    def segment(checksum: int) -> bytes:
        numbers = (1, 0, 5 << 4, _SYN, _WINDOW, checksum, 0)
        return struct.pack("!HHIIBBHHH", ports.source, ports.destination, *numbers) + payload

    content = segment(0)
    if checksums or ends.version == 6:
        content = segment(_checksum_with(ends, TCP, content))
    return _ip(ends, TCP, content, identification)


def icmp_packet(
    payload: bytes,
    ends: Ends,
    *,
    kind: int | None = None,
    code: int = 0,
    echo_id: int = 0,
    identification: int = 0,
) -> bytes:
    """An IP packet with one ICMP or ICMPv6 message, its checksum right.

    Args:
        kind: Type, 0 to 255, in the numbers of the family; None: echo reply.
        code: 0 to 255.
        echo_id: 0 to 65535, drawn by the caller for an echo request, which
            also has sequence 1; in all others both are 0.
        identification: As for ``udp_packet``.

    Raises ValueError as ``udp_packet`` does.
    """
    kind = ECHO_REPLY[ends.version] if kind is None else kind
    _require_range("ICMP type", kind, 255)
    _require_range("ICMP code", code, 255)
    _require_range("ICMP id", echo_id, _LARGEST)
    asks = (kind, code) == (ECHO_REQUEST[ends.version], 0)
    rest = struct.pack("!HH", echo_id if asks else 0, 1 if asks else 0) + payload
    content = struct.pack("!BBH", kind, code, 0) + rest
    checksum = _checksum_with(ends, ICMPV6, content) if ends.version == 6 else checksum_of(content)
    content = struct.pack("!BBH", kind, code, checksum) + rest
    return _ip(ends, ICMPV6 if ends.version == 6 else ICMP, content, identification)


def _ip(ends: Ends, protocol: int, content: bytes, identification: int) -> bytes:
    _require_range("identification", identification, _LARGEST)
    addresses = ends.source.packed + ends.destination.packed
    if ends.version == 6:
        _require_fits(len(content))
        return struct.pack("!IHBB", 6 << 28, len(content), protocol, _HOPS) + addresses + content
    total = 20 + len(content)
    _require_fits(total)
    numbers = (0x45, 0, total, identification, 0, _HOPS, protocol)
    checksum = checksum_of(struct.pack("!BBHHHBBH", *numbers, 0) + addresses)
    return struct.pack("!BBHHHBBH", *numbers, checksum) + addresses + content


def _checksum_with(ends: Ends, protocol: int, content: bytes) -> int:
    """The checksum over content and pseudo header (RFC 768, RFC 9293; RFC 8200, 8.1)."""
    if ends.source.is_unspecified:
        raise ValueError("a checksum over a source address that is not known")
    _require_fits(len(content))
    addresses = ends.source.packed + ends.destination.packed
    form = "!IxxxB" if ends.version == 6 else "!xBH"
    numbers = (len(content), protocol) if ends.version == 6 else (protocol, len(content))
    return checksum_of(addresses + struct.pack(form, *numbers) + content)


def checksum_of(octets: bytes) -> int:
    """The internet checksum (RFC 1071), 0 to 65535."""
    even = octets + b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(even) // 2}H", even))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _require_fits(size: int) -> None:
    if size > _LARGEST:
        raise ValueError("the payload is too long for one IP packet")


def _require_range(name: str, number: int, highest: int) -> None:
    if not 0 <= number <= highest:
        raise ValueError(f"{name} {number} is outside 0 to {highest}")
