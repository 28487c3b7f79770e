"""What ipset's part of the kernel is told and answers, bytes both ways.

In here: the messages that make, list and destroy sets and put members in and
out, and the reading of listings. Not in here: which members there should be
(sets), sockets (nft.netlink), messages as such (nft.attributes). No I/O.

A member is a source, a protocol with port, and in the sets with destination
one of this host's addresses. The kernel counts its timeout in whole seconds.
The tag stands in the member's comment, as ``ww:<tag>``, where ``ipset list``
shows it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from watchword.edges.firewall.nft.attributes import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    Request,
    attribute,
    fields,
    nest,
    read_number,
    text,
    walk,
)
from watchword.edges.firewall.plain import service_of
from watchword.model.openings import Hole, Tag
from watchword.model.services import Proto, Service

SUBSYS_IPSET = 6
_CREATE, _DESTROY, _LIST, _ADD, _DELETE = (SUBSYS_IPSET << 8 | each for each in (2, 3, 7, 9, 10))
_PROTOCOL_VERSION = 6  # kernels that speak 7 speak it as well
_REVISION_WITH_COMMENTS = 3  # of both types; newer kernels know it, too

_PROTOCOL, _SETNAME, _TYPENAME, _REVISION, _FAMILY, _FLAGS, _DATA, _ADT, _LINE = range(1, 10)
_IP, _PORT, _TIMEOUT, _PROTO, _CADT_FLAGS, _MAXELEM, _IP2, _ELEMENTS, _COMMENT = (
    1, 4, 6, 7, 8, 19, 20, 24, 26,
)  # fmt: skip
_NET_ORDER = 0x4000
_LIST_HEADER = 1 << 2
_WITH_COMMENT = 1 << 4
_MARK = b"ww:"
_FAMILIES = {4: 2, 6: 10}  # AF_INET, AF_INET6
_PROTOS = {each.number: each for each in Proto}

MOST = 262_144
"""Members of one set."""
LONGEST_TIMEOUT = 2_147_483
"""Seconds: the longest that ipset's programs and the kernel take."""
CHUNK = 256
"""Members in one message: at 132 bytes for the longest they stay within one attribute."""

WORDS = {
    4097: "the kernel speaks another ipset protocol",
    4098: "the kernel has no such type of set",
    4099: "there are as many sets as there may be",
    4100: "a set of that name is in use",
    4101: "there are two sets of that name",
    4102: "that type of set cannot hold this",
    4103: "there is no such member",
    4352: "the set is full",
}
"""What the kernel's own numbers mean (linux/netfilter/ipset: IPSET_ERR_*)."""


class Member(NamedTuple):
    """A member that the kernel lists."""

    hole: Hole
    remaining: int | None
    """Whole seconds until the kernel removes it; None: it stays."""
    tag: Tag | None
    """None: not one of our openings."""


def create(name: str, version: int, *, to: bool) -> Request:
    """A set with timeouts and comments; one of that name and another shape is an error."""
    kind = "hash:ip,port,ip" if to else "hash:ip,port"
    payload = b"".join(
        (
            _head(name),
            text(_TYPENAME, kind),
            attribute(_REVISION, bytes((_REVISION_WITH_COMMENTS,))),
            attribute(_FAMILY, bytes((_FAMILIES[version],))),
            nest(
                _DATA,
                _number(_TIMEOUT, 0),  # members without one of their own would stay
                _number(_CADT_FLAGS, _WITH_COMMENT),
                _number(_MAXELEM, MOST),
            ),
        )
    )
    return Request(_CREATE, _FAMILIES[version], payload, NLM_F_ACK | NLM_F_CREATE)


def destroy(name: str) -> Request:
    return Request(_DESTROY, 0, _head(name), NLM_F_ACK)


def listing(name: str, *, header: bool = False) -> Request:
    """Asks for the members of a set; ``header``: only for what it is."""
    flags = _number(_FLAGS, _LIST_HEADER) if header else b""
    return Request(_LIST, 0, _head(name) + flags, NLM_F_DUMP)


def put(name: str, members: Sequence[tuple[Hole, int, Tag]]) -> Iterator[Request]:
    """Messages that add members or replace those of the same hole; seconds, 1 or more."""
    parts = [
        _key(hole) + _number(_TIMEOUT, seconds) + text(_COMMENT, f"ww:{tag}")
        for hole, seconds, tag in members
    ]
    return _messages(_ADD, name, parts)


def take(name: str, holes: Sequence[Hole]) -> Iterator[Request]:
    """Messages that remove members; one that is gone is no error."""
    return _messages(_DELETE, name, [_key(hole) for hole in holes])


def _messages(kind: int, name: str, parts: Sequence[bytes]) -> Iterator[Request]:
    line = _number(_LINE, 0)
    for at in range(0, len(parts), CHUNK):
        inner = nest(_ADT, *(nest(_DATA, each, line) for each in parts[at : at + CHUNK]))
        yield Request(kind, 0, _head(name) + line + inner, NLM_F_ACK)


def read_header(attributes: bytes) -> tuple[str, int]:
    """The type of a set, and how many members it has by the kernel's count."""
    parts = fields(attributes)
    inner = fields(parts.get(_DATA, b""))
    kind = parts.get(_TYPENAME, b"").rstrip(b"\0").decode("ascii", "replace")
    return kind, read_number(inner.get(_ELEMENTS, b""))


def is_ours(attributes: bytes, version: int, *, to: bool) -> bool:
    """Whether a set has the shape that ``create`` gives it."""
    parts = fields(attributes)
    inner = fields(parts.get(_DATA, b""))
    kind, _ = read_header(attributes)
    return (
        kind == ("hash:ip,port,ip" if to else "hash:ip,port")
        and parts.get(_FAMILY) == bytes((_FAMILIES[version],))
        and _TIMEOUT in inner
        and bool(read_number(inner.get(_CADT_FLAGS, b"")) & _WITH_COMMENT)
    )


def listed(attributes: bytes) -> Iterator[Member]:
    """Read what one message of a listing holds; members that cannot be ours are passed over."""
    for _, member in walk(fields(attributes).get(_ADT, b"")):
        parts = fields(member)
        hole = _hole(parts)
        if hole is not None:
            ends = read_number(parts.get(_TIMEOUT, b""))
            yield Member(hole, ends or None, _tag(parts.get(_COMMENT, b"")))


def _head(name: str) -> bytes:
    return attribute(_PROTOCOL, bytes((_PROTOCOL_VERSION,))) + text(_SETNAME, name)


def _number(kind: int, value: int) -> bytes:
    return attribute(kind | _NET_ORDER, struct.pack("!I", value))


def _address(kind: int, address: IPv4Address | IPv6Address) -> bytes:
    return nest(kind, attribute((1 if address.version == 4 else 2) | _NET_ORDER, address.packed))


def _key(hole: Hole) -> bytes:
    plain = hole._replace(answers=False) if hole.answers else hole
    who, service, destination = hole.who, service_of(plain), hole.destination
    return b"".join(
        (
            _address(_IP, who),
            attribute(_PORT | _NET_ORDER, struct.pack("!H", service.port)),
            attribute(_PROTO, bytes((service.proto.number,))),
            b"" if destination is None else _address(_IP2, destination),
        )
    )


def _hole(parts: dict[int, bytes]) -> Hole | None:
    addresses = [
        ip_address(value)
        for kind in (_IP, _IP2)
        if kind in parts
        for _, value in walk(parts[kind])
        if len(value) in (4, 16)
    ]
    proto, port = read_number(parts.get(_PROTO, b"")), read_number(parts.get(_PORT, b""))
    if not addresses or proto not in _PROTOS or not port:
        return None
    to = addresses[1] if len(addresses) > 1 else None
    return Hole(addresses[0], Service(_PROTOS[proto], port), to)


def _tag(comment: bytes) -> Tag | None:
    """The tag of a comment that is exactly ``ww:`` and sixteen hex digits."""
    digits = comment.rstrip(b"\0").removeprefix(_MARK)
    if not comment.startswith(_MARK) or len(digits) != 16 or digits.strip(b"0123456789abcdef"):
        return None
    return Tag(digits.decode("ascii"))
