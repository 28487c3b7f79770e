"""Openings of every kind: which elements each consists of, and which sets have them.

In here: whole addresses in every home; the choice between those, pieces, extents and tickets.
Not in here: what is peculiar to each of them (pieces, extents, tickets), changes (openings).
No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from watchword.edges.firewall.nft.elements import Place, Slot, key, opening_element, place
from watchword.edges.firewall.nft.elements import hole as whole_hole
from watchword.edges.firewall.nft.extents import Extents
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.pieces import Pieces
from watchword.edges.firewall.nft.tickets import Tickets
from watchword.errors import HostError
from watchword.model.openings import Hole, Tag


class Kinds:
    """Where openings are."""

    def __init__(
        self,
        homes: Iterable[Home],
        pieces: Pieces | None,
        extents: Extents | None,
        tickets: Tickets | None,
        *,
        answers: Iterable[Home] | None,
    ) -> None:
        """As OpeningSets has them."""
        self._pieces, self._extents, self._tickets = pieces, extents, tickets
        self._readers: dict[Place, Callable[[Place, bytes], Hole | None]] = {}
        for kind in (extents, tickets):
            if kind is not None:
                self._readers |= dict.fromkeys(kind.places, kind.hole)
        self._plain: dict[tuple[int, bool], list[Place]] = {}
        for home in homes:
            for version in home.versions:
                for to in (False, True):
                    if home.set_name(version, to=to):
                        there = place(home, version, to=to)
                        self._plain.setdefault((version, to), []).append(there)
        self._answers: dict[tuple[int, bool], list[Place]] = {}
        self._asked_of_answers = answers is not None
        for home in answers or ():
            for version in home.versions:
                for to in (False, True):
                    name = home.answers_name(version, to=to)
                    there = Place(home.number, home.table, name, home.verdicts)
                    self._answers.setdefault((version, to), []).append(there)
                    self._readers[there] = _way_out

    def places(self) -> list[Place]:
        """Every set that has openings."""
        led = [] if self._pieces is None else self._pieces.places
        return [*self._plain_places(), *led, *self._readers]

    def has_room(self, hole: Hole) -> bool:
        """Whether there is a set for it; False: there is none any more, and nobody gets in by it.

        Raises HostError: there never was one.
        """
        if hole.lead is not None:
            if self._pieces is None:
                raise HostError(f"nothing here leads on ({hole.lead})")
            return True
        if hole.extent is not None and (
            self._extents is None or not self._extents.able(hole.extent)
        ):
            raise HostError(f"nothing here can let in just {hole.who}{hole.extent}")
        if hole.answers and not self._asked_of_answers:
            raise HostError(f"nothing here lets answers to {hole.who} out")
        room = self.copies(hole) > 0
        if not room and hole.extent is None and not (hole.ticket or hole.answers):
            raise HostError(f"nothing here lets IPv{hole.who.version} in")
        return room  # no: a length of a policy that is no more, or nothing is counted any more

    def elements(self, hole: Hole, seconds: float, tag: Tag) -> Iterator[tuple[Slot, bytes]]:
        """All that it consists of at first. ``seconds`` from now, more than 0."""
        if hole.lead is not None:
            for piece in () if self._pieces is None else self._pieces.of(hole, hole.lead):
                yield piece.slot, piece.element(seconds, tag)
        elif hole.ticket and hole.extent is None:
            if self._tickets is not None:
                yield from self._tickets.elements(hole, seconds, tag)
        else:
            for slot in self.slots(hole):
                yield slot, opening_element(slot.place, slot.key, seconds, tag)

    def slots(self, hole: Hole) -> list[Slot]:
        """Where all of it is."""
        if hole.extent is not None:
            there = None if self._extents is None else self._extents.slot(hole)
            return [] if there is None else [there]
        if hole.lead is not None:
            pieces = () if self._pieces is None else self._pieces.of(hole, hole.lead)
            return [piece.slot for piece in pieces]
        if hole.ticket:
            return [] if self._tickets is None else self._tickets.slots(hole)
        element_key = key(hole._replace(answers=False) if hole.answers else hole)
        return [Slot(each, element_key) for each in self._plain_for(hole)]

    def copies(self, hole: Hole) -> int:
        """How many elements have its name, if it leads nowhere else."""
        if hole.ticket:
            return 0 if self._tickets is None else self._tickets.copies(hole)
        if hole.extent is not None:
            return len(self.slots(hole))
        return len(self._plain_for(hole))

    def hole(self, place: Place, key: bytes) -> Hole | None:
        """What leads nowhere and is stood for by a key; None: nothing of ours."""
        reader = self._readers.get(place)
        return whole_hole(key) if reader is None else reader(place, key)

    def elsewhere(self, slot: Slot) -> list[Slot]:
        """Where else the opening is that has this element, as far as its key tells."""
        hole = self.hole(*slot)
        plain = slot.place in self._plain_places() or (hole is not None and hole.answers)
        return self.slots(hole) if hole is not None and plain else []

    def _plain_for(self, hole: Hole) -> list[Place]:
        kind = self._answers if hole.answers else self._plain
        return kind.get((hole.who.version, hole.destination is not None), [])

    def _plain_places(self) -> list[Place]:
        return [place for places in self._plain.values() for place in places]


def _way_out(_: Place, key: bytes) -> Hole | None:
    """What a key stands for where answers are let out."""
    hole = whole_hole(key)
    return None if hole is None else hole._replace(answers=True)
