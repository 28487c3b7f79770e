"""Openings that lead somewhere as elements: two for each, both ways.

In here: which sets an opening has to be in, with what; and what elements that the kernel lists
come to. Not in here: the sets themselves and the rules on them (leading), openings that lead
nowhere, which are one element (elements). No I/O.

The first piece says that the caller may go on, and as whom; the second where to. Who is only let
through has no second one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from watchword.edges.firewall.nft import leading
from watchword.edges.firewall.nft.elements import (
    Live,
    Place,
    Slot,
    key,
    led_element,
    opening_element,
)
from watchword.edges.firewall.nft.elements import hole as hole_of
from watchword.edges.firewall.nft.layout import Home
from watchword.model.addresses import Address
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ON_TICKETS, Hole, Lead, SourceNat, Tag

_PORT = struct.Struct("!H2x")


class Piece(NamedTuple):
    """One element of an opening."""

    slot: Slot
    data: bytes = b""
    """What a map has for the key, every part of a concatenation padded to four bytes; empty: it is
    in a set."""

    def element(self, seconds: float, tag: Tag) -> bytes:
        if not self.data:
            return opening_element(self.slot.place, self.slot.key, seconds, tag)
        return led_element(self.slot.key, self.data, seconds, tag)


class _Kind(NamedTuple):
    """What a set is for."""

    name: str
    source: SourceNat | None


class Pieces:
    """Elements of openings that lead somewhere, in one table."""

    def __init__(self, home: Home, settings: FirewallSettings) -> None:
        self._home = home
        self._sources = frozenset(leading.sources(settings))
        self._kinds = {
            self.place(name): _Kind(_stem(name), _source(name, leading.sources(settings)))
            for name in leading.sets(settings)
        }

    def of(self, hole: Hole, lead: Lead) -> tuple[Piece, ...]:
        """What has to be in the sets. A source that is not known here any more is masqueraded."""
        source = lead.source if lead.source in self._sources else SourceNat()
        version, seen = hole.who.version, leading.suffix(source)
        if lead.everything:
            who = hole.who.packed
            if lead.host is None:
                return (self._piece(f"{leading.THROUGH}{version}{seen}", who),)
            return (
                self._piece(f"{leading.ALL}{version}{seen}", who),
                self._piece(f"{leading.HOST}{version}", who, lead.host.packed),
            )
        door, port = key(hole.door), _PORT.pack(lead.port)
        to = "_to" if hole.destination is not None else ""
        if lead.host is None:
            where = self._piece(f"{leading.PORT}{version}{to}", door, port[:2])
        else:
            where = self._piece(f"{leading.LEAD}{version}{to}", door, lead.host.packed + port)
        first = leading.ONCE if hole.ticket else leading.LED
        return self._piece(f"{first}{version}{seen}{to}", door), where

    def _piece(self, name: str, key: bytes, data: bytes = b"") -> Piece:
        return Piece(Slot(self.place(name), key), data)

    def place(self, name: str) -> Place:
        return Place(self._home.number, self._home.table, name)

    @property
    def places(self) -> Iterator[Place]:
        """Every set that a piece may be in."""
        return iter(self._kinds)

    def read(
        self, found: Mapping[Place, Iterable[Live]]
    ) -> tuple[dict[Tag, tuple[Hole, float]], dict[Tag, list[Slot]]]:
        """The openings that elements come to, with the seconds they have left, and the elements
        of what comes to none: a piece that is alone, or of no use here."""
        by_tag: dict[Tag, list[tuple[Place, Live]]] = {}
        for place, elements in found.items():
            for live in elements:
                if live.tag is not None:
                    by_tag.setdefault(live.tag, []).append((place, live))
        openings, useless = {}, {}
        for tag, pieces in by_tag.items():
            hole = _hole(
                {self._kinds[place].name: live for place, live in pieces}, self._seen(pieces)
            )
            if hole is None or hole.lead is None or len(pieces) != len(self.of(hole, hole.lead)):
                useless[tag] = [Slot(place, live.key) for place, live in pieces]
            else:
                ends = [math.inf if x.remaining is None else x.remaining for _, x in pieces]
                openings[tag] = hole, min(ends)
        return openings, useless

    def _seen(self, pieces: Iterable[tuple[Place, Live]]) -> SourceNat | None:
        """As whom: the name of the first piece's set says it."""
        sources = (self._kinds[place].source for place, _ in pieces)
        return next((each for each in sources if each is not None), None)


def _stem(name: str) -> str:
    """``led`` of ``led4_masked_to``."""
    return name.partition("_")[0][:-1]


def _source(name: str, sources: Iterable[SourceNat | None]) -> SourceNat | None:
    _, _, rest = name.removesuffix("_to").partition("_")
    return next((each for each in sources if rest and leading.suffix(each) == f"_{rest}"), None)


def _hole(pieces: Mapping[str, Live], source: SourceNat | None) -> Hole | None:
    """None: it is not whole."""
    if leading.LED in pieces:
        return _led(pieces, pieces[leading.LED], source)
    if leading.ONCE in pieces:
        led = _led(pieces, pieces[leading.ONCE], source)
        return led and led._replace(ticket=ON_TICKETS)
    first = pieces.get(leading.THROUGH) or pieces.get(leading.ALL)
    who = None if first is None else _address(first.key)
    if first is None or who is None:
        return None
    if leading.THROUGH in pieces:
        return Hole(who, None, None, Lead(None, 0, everything=True, source=source))
    second = pieces.get(leading.HOST)
    host = None if second is None or second.key != first.key else _address(second.data)
    if host is None:
        return None
    return Hole(who, None, None, Lead(host, 0, everything=True, source=source))


def _led(pieces: Mapping[str, Live], first: Live, source: SourceNat | None) -> Hole | None:
    second = pieces.get(leading.LEAD) or pieces.get(leading.PORT)
    door = hole_of(first.key)
    if door is None or second is None or second.key != first.key:
        return None
    host, port = None, second.data
    if leading.LEAD in pieces:
        host, port = _address(second.data[:-4]), second.data[-4:]
        if host is None:
            return None
    number = int.from_bytes(port[:2], "big")
    return door._replace(lead=Lead(host, number, source=source)) if number else None


def _address(packed: bytes) -> Address | None:
    if len(packed) == 4:
        return IPv4Address(packed)
    return IPv6Address(packed) if len(packed) == 16 else None
