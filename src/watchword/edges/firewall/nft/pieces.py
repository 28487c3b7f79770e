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
from watchword.edges.firewall.nft.elements import Live, Place, Slot, goto, key, led_element, value
from watchword.edges.firewall.nft.elements import hole as hole_of
from watchword.edges.firewall.nft.layout import Home
from watchword.model.addresses import Address
from watchword.model.openings import Hole, Lead, SourceNat, Tag

_PORT = struct.Struct("!H2x")


class Piece(NamedTuple):
    """One element of an opening."""

    slot: Slot
    data: bytes
    """What the kernel is told the key maps to."""

    def element(self, seconds: float, tag: Tag) -> bytes:
        return led_element(self.slot.key, self.data, seconds, tag)


class Pieces:
    """Elements of openings that lead somewhere, in one table."""

    def __init__(self, home: Home, sources: tuple[SourceNat | None, ...]) -> None:
        """``sources``: as whom callers can be seen here."""
        self._home = home
        self._chains = {leading.verdict_chain(source): source for source in sources}
        self._versions = home.versions

    def of(self, hole: Hole, lead: Lead) -> tuple[Piece, ...]:
        """What has to be in the sets. A source that is not known here any more is masqueraded."""
        chain = leading.verdict_chain(lead.source)
        if chain not in self._chains:
            chain = leading.verdict_chain(SourceNat())
        version = hole.who.version
        if lead.everything:
            first = leading.THROUGH if lead.host is None else leading.ALL
            may = self._piece(f"{first}{version}", hole.who.packed, goto(chain))
            if lead.host is None:
                return (may,)
            return may, self._piece(
                f"{leading.HOST}{version}", hole.who.packed, value(lead.host.packed)
            )
        door = key(hole.door)
        to = "_to" if hole.destination is not None else ""
        port = _PORT.pack(lead.port)
        if lead.host is None:
            where = self._piece(f"{leading.PORT}{version}{to}", door, value(port[:2]))
        else:
            where = self._piece(
                f"{leading.LEAD}{version}{to}", door, value(lead.host.packed + port)
            )
        return self._piece(f"{leading.LED}{version}{to}", door, goto(chain)), where

    def _piece(self, name: str, key: bytes, data: bytes) -> Piece:
        return Piece(Slot(self.place(name), key), data)

    def place(self, name: str) -> Place:
        return Place(self._home.number, self._home.table, name)

    @property
    def places(self) -> Iterator[Place]:
        """Every set that a piece may be in."""
        return (self.place(name) for name in leading.sets())

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
            hole = self._hole({_kind(place): live for place, live in pieces})
            if hole is None or hole.lead is None or len(pieces) != len(self.of(hole, hole.lead)):
                useless[tag] = [Slot(place, live.key) for place, live in pieces]
            else:
                ends = [math.inf if x.remaining is None else x.remaining for _, x in pieces]
                openings[tag] = hole, min(ends)
        return openings, useless

    def _hole(self, pieces: Mapping[str, Live]) -> Hole | None:
        """None: it is not whole."""
        first = pieces.get(leading.LED) or pieces.get(leading.THROUGH) or pieces.get(leading.ALL)
        if first is None or first.goto not in self._chains:
            return None
        source = self._chains[first.goto]
        if leading.LED in pieces:
            return _led(pieces, first, source)
        who = _address(first.key)
        if who is None:
            return None
        if leading.THROUGH in pieces:
            return Hole(who, None, None, Lead(None, 0, everything=True, source=source))
        second = pieces.get(leading.HOST)
        host = None if second is None else _address(second.data)
        if host is None or second is None or second.key != first.key:
            return None
        return Hole(who, None, None, Lead(host, 0, everything=True, source=source))


def _led(pieces: Mapping[str, Live], first: Live, source: SourceNat | None) -> Hole | None:
    second = pieces.get(leading.LEAD) or pieces.get(leading.PORT)
    door = hole_of(first.key)
    if door is None or second is None or second.key != first.key:
        return None
    host, port = (
        (None, second.data)
        if leading.PORT in pieces
        else (
            _address(second.data[:-4]),
            second.data[-4:],
        )
    )
    if leading.LEAD in pieces and host is None:
        return None
    number = int.from_bytes(port[:2], "big")
    return door._replace(lead=Lead(host, number, source=source)) if number else None


def _kind(place: Place) -> str:
    return place.name.removesuffix("_to")[:-1]


def _address(packed: bytes) -> Address | None:
    if len(packed) == 4:
        return IPv4Address(packed)
    return IPv6Address(packed) if len(packed) == 16 else None
