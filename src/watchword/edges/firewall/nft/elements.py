"""Openings as set elements, bytes both ways.

In here: keys, the messages that add, delete, look up and list elements, and
the reading of what the kernel lists. Not in here: which elements there should
be (backend), sockets (netlink), messages as such (attributes). No I/O.

Every part of a concatenated key is padded to four bytes. Timeouts are in
milliseconds and counted down by the kernel. The tag stands in the element's
comment, as ``ww:<tag>``, where ``nft list set`` shows it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from watchword.edges.firewall.nft.attributes import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    SUBSYS_NFTABLES,
    Request,
    attribute,
    fields,
    nest,
    number,
    read_number,
    text,
    walk,
)
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.plain import service_of
from watchword.model.openings import Hole, Tag
from watchword.model.services import Proto, Service

NEW_ELEMENT = SUBSYS_NFTABLES << 8 | 12
GET_ELEMENT = SUBSYS_NFTABLES << 8 | 13
DELETE_ELEMENT = SUBSYS_NFTABLES << 8 | 14

_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS = 1, 2, 3
_LIST_ELEM = 1
_KEY, _DATA, _TIMEOUT, _EXPIRATION, _USERDATA = 1, 2, 4, 5, 6
_VALUE, _VERDICT, _VERDICT_CODE, _ACCEPT = 1, 2, 1, 1
_COMMENT = 0  # type of the user data that nft shows as comment
_MARK = b"ww:"

CHUNK = 512
"""Elements in one message: at 108 bytes for the longest they stay within one attribute."""

_SERVICE = struct.Struct("!B3xH2x")
_PROTOS = {each.number: each for each in Proto}


class Place(NamedTuple):
    """One set or map, as the kernel addresses it."""

    family: int
    table: str
    name: str
    verdicts: bool = False


class Slot(NamedTuple):
    """One element's identity: where it is and under which key."""

    place: Place
    key: bytes


class Live(NamedTuple):
    """An element that the kernel lists."""

    key: bytes
    remaining: float | None
    """Seconds until the kernel removes it; None: it stays."""
    tag: Tag | None
    """None: not one of our openings."""
    data: bytes = b""
    """What a map has for the key."""


def place(home: Home, version: int, *, to: bool) -> Place:
    """The set for openings of an IP version; ``to``: of those with a destination."""
    return Place(home.number, home.table, home.set_name(version, to=to), home.verdicts)


def key(hole: Hole) -> bytes:
    """Source, destination if there is one, protocol, port."""
    who, service, destination = hole.who, service_of(hole), hole.destination
    where = b"" if destination is None else destination.packed
    return who.packed + where + _SERVICE.pack(service.proto.number, service.port)


def hole(data: bytes) -> Hole | None:
    """The hole that a key stands for; None if it is none of ours."""
    size = {12: 4, 16: 4, 24: 16, 40: 16}.get(len(data))
    if size is None:
        return None
    proto, port = _SERVICE.unpack(data[-8:])
    if proto not in _PROTOS or not port:
        return None
    family = IPv4Address if size == 4 else IPv6Address
    addresses = [family(data[at : at + size]) for at in range(0, len(data) - 8, size)]
    return Hole(
        addresses[0],
        Service(_PROTOS[proto], port),
        addresses[1] if len(addresses) == 2 else None,
    )


class _Form(NamedTuple):
    """The constant bytes of an element around its key, timeout and tag."""

    before_key: bytes
    before_timeout: bytes
    before_tag: bytes
    after_tag: bytes


@lru_cache(maxsize=32)
def _form(key_length: int, verdicts: bool) -> _Form:
    blank_key, blank_tag = b"K" * key_length, b"T" * 16
    whole = nest(
        _LIST_ELEM,
        nest(_KEY, attribute(_VALUE, blank_key)),
        nest(_DATA, nest(_VERDICT, number(_VERDICT_CODE, _ACCEPT))) if verdicts else b"",
        attribute(_TIMEOUT, b"M" * 8),
        attribute(_USERDATA, bytes((_COMMENT, 20)) + _MARK + blank_tag + b"\0"),
    )
    before_key, _, rest = whole.partition(blank_key)
    before_timeout, _, rest = rest.partition(b"M" * 8)
    before_tag, _, after_tag = rest.partition(blank_tag)
    return _Form(before_key, before_timeout, before_tag, after_tag)


def opening_element(place: Place, key: bytes, seconds: float, tag: Tag) -> bytes:
    """One element with its end and its name. ``seconds`` from now, more than 0."""
    form = _form(len(key), place.verdicts)
    return b"".join(
        (
            form.before_key,
            key,
            form.before_timeout,
            _milliseconds(seconds).to_bytes(8, "big"),
            form.before_tag,
            tag.encode("ascii"),
            form.after_tag,
        )
    )


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000 - 1e-6))  # the 1e-6 is what floats add


def led_element(key: bytes, data: bytes, seconds: float, tag: Tag) -> bytes:
    """One element of a map to values; else as ``opening_element``."""
    return nest(
        _LIST_ELEM,
        nest(_KEY, attribute(_VALUE, key)),
        nest(_DATA, attribute(_VALUE, data)),
        attribute(_TIMEOUT, _milliseconds(seconds).to_bytes(8, "big")),
        attribute(_USERDATA, bytes((_COMMENT, 20)) + _MARK + tag.encode("ascii") + b"\0"),
    )


def token(key: bytes, seconds: float) -> bytes:
    """One element that has an end and no name."""
    return nest(
        _LIST_ELEM,
        nest(_KEY, attribute(_VALUE, key)),
        attribute(_TIMEOUT, _milliseconds(seconds).to_bytes(8, "big")),
    )


def bare_element(key: bytes) -> bytes:
    """One element by its key alone: to delete, to look up, or to stay for ever."""
    return nest(_LIST_ELEM, nest(_KEY, attribute(_VALUE, key)))


def additions(place: Place, elements: Sequence[bytes]) -> Iterator[Request]:
    """Messages that add elements; one that is there already is an error."""
    return _messages(NEW_ELEMENT, place, elements, NLM_F_CREATE | NLM_F_EXCL)


def deletions(place: Place, keys: Sequence[bytes]) -> Iterator[Request]:
    """Messages that delete elements; one that is not there is an error."""
    return _messages(DELETE_ELEMENT, place, [bare_element(each) for each in keys], 0)


def _messages(kind: int, place: Place, elements: Sequence[bytes], flags: int) -> Iterator[Request]:
    head = _head(place)
    for at in range(0, len(elements), CHUNK):
        listed = nest(_LIST_ELEMENTS, *elements[at : at + CHUNK])
        yield Request(kind, place.family, head + listed, flags)


def lookup(slot: Slot) -> Request:
    """A message that asks for one element: it comes, or the error ENOENT."""
    payload = _head(slot.place) + nest(_LIST_ELEMENTS, bare_element(slot.key))
    return Request(GET_ELEMENT, slot.place.family, payload, NLM_F_ACK)


def listing(place: Place) -> Request:
    """A message that asks for all elements of a set; expired ones are not listed."""
    return Request(GET_ELEMENT, place.family, _head(place), NLM_F_DUMP)


@lru_cache(maxsize=256)
def _head(place: Place) -> bytes:
    return text(_LIST_TABLE, place.table) + text(_LIST_SET, place.name)


def listed(attributes: bytes) -> Iterator[Live]:
    """Read what one message of a listing holds."""
    elements = fields(attributes).get(_LIST_ELEMENTS, b"")
    for _, element in walk(elements):
        parts = fields(element)
        value = fields(parts.get(_KEY, b"")).get(_VALUE, b"")
        ends = parts.get(_EXPIRATION)
        remaining = None if ends is None else read_number(ends) / 1000
        tag = _tag(parts.get(_USERDATA, b""))
        if _DATA not in parts:
            yield Live(value, remaining, tag)
            continue
        yield Live(value, remaining, tag, fields(parts[_DATA]).get(_VALUE, b""))


def _tag(userdata: bytes) -> Tag | None:
    """The tag of a comment that is exactly ``ww:`` and sixteen hex digits."""
    if len(userdata) < 22 or userdata[:5] != bytes((_COMMENT, 20)) + _MARK or userdata[21]:
        return None
    digits = userdata[5:21]
    if digits.strip(b"0123456789abcdef"):
        return None
    return Tag(digits.decode("ascii"))
