"""Netlink messages and their attributes, bytes both ways.

In here: headers, attributes, nesting, the batch that nf_tables wants its
changes in. All integers of headers are in the machine's order; those inside
nf_tables attributes are in network order.
Not in here: what the attributes mean (elements, objects, conntrack), sockets
(netlink). No I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_EXCL = 0x200
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_MIN_TYPE = 16

NFNL_MSG_BATCH_BEGIN = 16
NFNL_MSG_BATCH_END = 17
SUBSYS_NFTABLES = 10
AF_UNSPEC = 0

NLA_F_NESTED = 0x8000
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
LONGEST_ATTRIBUTE = 0xFFFF
"""Bytes of one attribute with its header: the length field has 16 bits."""

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_ATTRIBUTE = struct.Struct("=HH")  # length with this header, type
_FAMILY = struct.Struct("!BBH")  # nfgenmsg: family, version, resource id
HEADER_BYTES = _HEADER.size
FAMILY_BYTES = _FAMILY.size


class Request(NamedTuple):
    """One message to be sent; its number is given when it is."""

    kind: int
    """Message type, subsystem in the upper byte."""
    family: int
    payload: bytes
    """Attributes."""
    flags: int = 0
    """Beside NLM_F_REQUEST."""
    resource: int = 0
    """Which queue, where there are several."""
    protocol: int = 0
    """Of sockets, where it is those that are asked about; the packet filter wants 0."""


class Message(NamedTuple):
    """One message as it was received."""

    kind: int
    flags: int
    sequence: int
    body: bytes
    """Everything behind the message header, padding removed."""

    @property
    def attributes(self) -> bytes:
        """The body behind its nfgenmsg."""
        return self.body[FAMILY_BYTES:]


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes. Raises struct.error beyond 65535 bytes."""
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind: int, *inner: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, b"".join(inner))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """A 32-bit number in network order."""
    return attribute(kind, struct.pack("!I", value))


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each attribute's type, flags removed, and payload. Stops where the bytes make no sense."""
    offset, end = 0, len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            return
        yield kind & _TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def fields(data: bytes) -> dict[int, bytes]:
    """Attributes by type; of several of one type the last."""
    return dict(walk(data))


def read_text(payload: bytes) -> str:
    return payload.rstrip(b"\0").decode("utf-8", "replace")


def read_number(payload: bytes) -> int:
    """An unsigned number in network order, of any width."""
    return int.from_bytes(payload, "big")


def encode(request: Request, sequence: int) -> bytes:
    """One message with header and nfgenmsg."""
    return (
        _HEADER.pack(
            HEADER_BYTES + FAMILY_BYTES + len(request.payload),
            request.kind,
            request.flags | NLM_F_REQUEST,
            sequence,
            0,
        )
        + _FAMILY.pack(request.family, request.protocol, request.resource)
        + request.payload
    )


def batch(requests: Sequence[Request], sequence: int) -> bytes:
    """One nf_tables transaction.

    The message that begins it has the given number, the requests those that
    follow, the end the last. The last request asks for an answer, so that
    there is one whatever happens. At least one request.
    """
    begin = _edge(NFNL_MSG_BATCH_BEGIN, sequence)
    *others, last = requests
    answered = last._replace(flags=last.flags | NLM_F_ACK)
    middle = [encode(each, sequence + 1 + i) for i, each in enumerate((*others, answered))]
    return b"".join((begin, *middle, _edge(NFNL_MSG_BATCH_END, sequence + 1 + len(requests))))


def _edge(kind: int, sequence: int) -> bytes:
    length = HEADER_BYTES + FAMILY_BYTES
    return _HEADER.pack(length, kind, NLM_F_REQUEST, sequence, 0) + _FAMILY.pack(
        AF_UNSPEC, 0, SUBSYS_NFTABLES
    )


def decode(data: bytes) -> Iterator[Message]:
    """The messages of one datagram. Stops where the bytes make no sense."""
    offset, end = 0, len(data)
    while offset + HEADER_BYTES <= end:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < HEADER_BYTES or offset + length > end:
            return
        yield Message(kind, flags, sequence, data[offset + HEADER_BYTES : offset + length])
        offset += (length + 3) & ~3
