"""The openings in our sets, and the backend's own memory of them.

In here: changes of openings into elements, and reading them back.
Not in here: what stands around the sets (guard, jump, leading), the elements of
openings that lead somewhere (pieces), the transaction (commit).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from watchword.edges.firewall.nft.commit import Sheet, commit, look_up, standing
from watchword.edges.firewall.nft.elements import (
    Live,
    Place,
    Slot,
    key,
    opening_element,
    place,
)
from watchword.edges.firewall.nft.elements import hole as hole_of
from watchword.edges.firewall.nft.extents import Extents
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.pieces import Pieces
from watchword.edges.firewall.nft.tickets import Tickets
from watchword.errors import HostError
from watchword.model.openings import ChangeSet, Hole, Opening, Tag
from watchword.ports import Clock

_SLACK = 1.0
"""Seconds that the kernel may end an opening late and still not have been told to by others."""


class _Held(NamedTuple):
    hole: Hole
    until: float
    """Steady seconds."""
    latest: float
    """What ends later than that in the kernel was prolonged by others."""


class _Read(NamedTuple):
    """What the kernel listed."""

    whole: dict[Tag, _Held]
    parts: dict[Tag, list[Slot]]
    """Of what is not in every place where it belongs."""


class _Sheets:
    """What is to be done in every set, as one transaction."""

    def __init__(self, homes: Sequence[Home]) -> None:
        self._plain = {
            (version, to): [
                Sheet(place(home, version, to=to))
                for home in homes
                if version in home.versions and home.set_name(version, to=to)
            ]
            for version in (4, 6)
            for to in (False, True)
        }
        self._others: dict[Place, Sheet] = {}

    def plain(self, hole: Hole) -> list[Sheet]:
        """A sheet for each home of an opening that leads nowhere else."""
        return self._plain[hole.who.version, hole.destination is not None]

    def of(self, place: Place) -> Sheet:
        return self._others.setdefault(place, Sheet(place))

    def __iter__(self) -> Iterator[Sheet]:
        for pages in self._plain.values():
            yield from pages
        yield from self._others.values()


class OpeningSets:
    """What is open, in every home."""

    def __init__(
        self,
        homes: Iterable[Home],
        clock: Clock,
        pieces: Pieces | None = None,
        extents: Extents | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        """``pieces``: for openings that lead somewhere; ``extents``: for those for parts of
        addresses, or more than one; ``tickets``: for those by the number; None: there can be
        none."""
        self._homes = tuple(homes)
        self._pieces = pieces
        self._extents = extents
        self._tickets = tickets
        self._clock = clock
        self._held: dict[Tag, _Held] = {}
        self._tags: dict[Hole, Tag] = {}
        self.shortened = False
        """What ended too late was taken out; for whoever puts it in again to reset."""
        self._tokens: set[Slot] = set()
        """For the first of each prefix, that were put in."""

    @property
    def holes(self) -> Container[Hole]:
        """In force, or over and not taken out yet; where they lead is left out."""
        if self._pieces is None and self._tickets is None:
            return self._tags.keys()
        return {hole.door for hole in self._tags}

    def in_force(self) -> list[Hole]:
        """What is not over, as far as we know, and where it leads."""
        now = self._clock.now().steady
        return [held.hole for held in self._held.values() if held.until > now]

    def unused(self, netlink: Netlink, holes: Iterable[Hole]) -> Mapping[Hole, int]:
        """How many of these tickets nobody has taken yet. Raises HostError."""
        if self._tickets is None:
            return {}
        doors = {slot: hole for hole in holes for slot in self._tickets.doors(hole)}
        return Counter(doors[slot] for slot in look_up(netlink, list(doors)))

    def apply(self, netlink: Netlink, change: ChangeSet) -> list[Hole]:
        """Carry out a change; return the holes that are no more. Raises HostError."""
        now = self._clock.now().steady
        wanted = self._wanted(change.add, now)
        removed = [self._held[tag].hole for tag in change.remove if tag in self._held]
        sheets, noted = _Sheets(self._homes), dict[Place, list[bytes]]()
        for hole in (*removed, *wanted):
            known = self._tags.get(hole)
            standing_ = known is not None and self._held[known].until > now
            if standing_:  # else the kernel ended it
                self._delete(sheets, hole)
            if hole.extent is not None and hole.extent.first and not (standing_ and hole in wanted):
                self._begin_anew(netlink, sheets, hole, noted, admits=hole in wanted)
        for hole, opening in wanted.items():
            self._add(sheets, hole, opening.until - now, opening.tag)
        commit(netlink, list(sheets))
        slack = self._clock.now().steady - now + _SLACK  # the kernel counts from the commit on
        for tag in change.remove:
            self._forget(tag)
        for hole, opening in wanted.items():
            self._remember(opening.tag, _Held(hole, opening.until, opening.until + slack))
        return [hole for hole in removed if hole not in self._tags]

    def _begin_anew(
        self,
        netlink: Netlink,
        sheets: _Sheets,
        hole: Hole,
        noted: dict[Place, list[bytes]],
        *,
        admits: bool,
    ) -> None:
        """Forget who was the first of a prefix; ``admits``: the next one who connects is it.

        ``noted``: what each set of notes was found to have in this change.
        """
        slot = None if self._extents is None else self._extents.slot(hole)
        if self._extents is None or slot is None:
            return
        notes = self._extents.notes(slot)
        if notes not in noted:
            noted[notes] = list(standing(netlink, notes) or ())
        sheets.of(notes).delete.update(
            each for each in noted[notes] if self._extents.is_note_of(each, slot)
        )
        there, element = self._extents.token(slot)
        if there in self._tokens:  # one of an earlier run is found by its being in the way
            sheets.of(there.place).delete.add(there.key)
            self._tokens.discard(there)
        if admits:
            sheets.of(there.place).add[there.key] = element
            self._tokens.add(there)

    def _add(self, sheets: _Sheets, hole: Hole, seconds: float, tag: Tag) -> None:
        if hole.extent is not None:
            for slot in self._slots(hole):
                sheets.of(slot.place).add[slot.key] = opening_element(
                    slot.place, slot.key, seconds, tag
                )
        elif hole.ticket and hole.lead is None:
            if self._tickets is not None:
                for slot, element in self._tickets.elements(hole, seconds, tag):
                    sheets.of(slot.place).add[slot.key] = element
        elif hole.lead is None:
            element_key = key(hole)
            for sheet in sheets.plain(hole):
                sheet.add[element_key] = opening_element(sheet.place, element_key, seconds, tag)
        elif self._pieces is not None:
            for piece in self._pieces.of(hole, hole.lead):
                sheets.of(piece.slot.place).add[piece.slot.key] = piece.element(seconds, tag)

    def _delete(self, sheets: _Sheets, hole: Hole) -> None:
        if hole.lead is None and hole.extent is None and not hole.ticket:
            element_key = key(hole)
            for sheet in sheets.plain(hole):
                sheet.delete.add(element_key)
        else:
            for slot in self._slots(hole):
                sheets.of(slot.place).delete.add(slot.key)

    def read(self, netlink: Netlink) -> tuple[frozenset[Tag], list[Hole]]:
        """Tags of what the kernel has, and holes that were known and are no more.

        An opening of which only a part is there is none, and is taken out.
        None is taken for gone because a listing left it out. Raises HostError.
        """
        now = self._clock.now().steady
        lists = {
            place: lives
            for place in self._places()
            if (lives := standing(netlink, place)) is not None
        }
        found = self._folded(lists, now)
        doubted = [slot for slots in found.parts.values() for slot in slots]
        for tag, held in self._held.items():
            if tag not in found.whole and held.until > now:
                doubted += self._slots(held.hole)
        doubted += self._other_homes(found)
        if doubted:
            self._ask(netlink, lists, doubted)
            found = self._folded(lists, now)
        self._set_aside_overlong(found)
        if found.parts:
            self._take_out(netlink, found)
        before = list(self._tags)
        self._held.clear()
        self._tags.clear()
        for tag, held in found.whole.items():
            self._remember(tag, held)
        return frozenset(self._held), [hole for hole in before if hole not in self._tags]

    def _set_aside_overlong(self, found: _Read) -> None:
        """What would end later than we know that it does is as good as not there.

        Others may have prolonged it; and the kernel does not count while the machine sleeps.
        """
        for tag, held in self._held.items():
            there = found.whole.get(tag)
            if there is not None and there.until > held.latest:
                found.parts[tag] = self._slots(held.hole)
                del found.whole[tag]
                self.shortened = True

    def purge(self, netlink: Netlink) -> tuple[bool, list[Hole]]:
        """Take out what looks like an opening of ours and is none that we know.

        It is there when somebody loads an old dump. Returns whether anything was, and the holes
        that we knew and are no more. Raises HostError.
        """
        known = frozenset(self._held)
        tags, gone = self.read(netlink)
        strays = tags - known
        self.apply(netlink, ChangeSet(remove=strays))
        return bool(strays), gone

    def clear(self, netlink: Netlink) -> None:
        """Take out of sets that are not ours what is; ours go as they are. Raises HostError."""
        if any(home.names for home in self._homes):
            tags, _ = self.read(netlink)
            self.apply(netlink, ChangeSet(remove=tags))

    def _folded(self, lists: Mapping[Place, Mapping[bytes, Live]], now: float) -> _Read:
        """Openings by tag, as far as all of their elements are there."""
        plain: dict[Tag, list[tuple[_Held, Slot]]] = {}
        led = set() if self._pieces is None else set(self._pieces.places)
        for place_, lives in lists.items():
            if place_ in led:
                continue
            for live in lives.values():
                hole = self._hole(place_, live.key)
                late = 0.0 if self._tickets is None else self._tickets.late(place_)
                until = math.inf if live.remaining is None else now + live.remaining - late
                if live.tag is not None and hole is not None and until > now:
                    held = _Held(hole, until, until + _SLACK), Slot(place_, live.key)
                    plain.setdefault(live.tag, []).append(held)
        whole, parts = {}, {}
        for tag, found in plain.items():
            one = found[0][0]
            if one.hole.ticket > 0 and self._tickets is not None:
                joined = self._tickets.joined([each.hole for each, _ in found])
                one = one._replace(hole=joined)
            known = self._held.get(tag, one)
            if len(found) == self._copies(one.hole) == self._copies(known.hole):
                whole[tag] = one
            else:
                parts[tag] = [slot for _, slot in found]
        if self._pieces is not None:
            openings, pieces = self._pieces.read(
                {each: lives.values() for each, lives in lists.items() if each in led}
            )
            for tag, (hole, left) in openings.items():
                whole[tag] = _Held(hole, now + left, now + left + _SLACK)
            parts |= pieces
        return _Read(whole, parts)

    def _hole(self, place_: Place, key: bytes) -> Hole | None:
        """What leads nowhere and is stood for by a key; None: nothing of ours."""
        if self._extents is not None and place_ in self._extents.places:
            return self._extents.hole(place_, key)
        if self._tickets is not None and place_ in self._tickets.places:
            return self._tickets.hole(place_, key)
        return hole_of(key)

    def _other_homes(self, found: _Read) -> list[Slot]:
        """Where the rest of parts should be, as far as their keys tell."""
        slots = []
        for parts in found.parts.values():
            hole = hole_of(parts[0].key)
            if hole is not None and any(parts[0].place == each for each in self._plain_places()):
                slots += self._slots(hole)
        return slots

    def _ask(
        self, netlink: Netlink, lists: Mapping[Place, dict[bytes, Live]], slots: Iterable[Slot]
    ) -> None:
        """Add to the lists what they left out of these elements."""
        left_out = [
            slot
            for slot in dict.fromkeys(slots)
            if slot.place in lists and slot.key not in lists[slot.place]
        ]
        for slot, live in look_up(netlink, left_out).items():
            lists[slot.place][slot.key] = live

    def _slots(self, hole: Hole) -> list[Slot]:
        """Every element that a hole consists of."""
        if hole.extent is not None:
            there = None if self._extents is None else self._extents.slot(hole)
            return [] if there is None else [there]
        if hole.ticket and hole.lead is None:
            return [] if self._tickets is None else self._tickets.slots(hole)
        if hole.lead is None:
            element_key = key(hole)
            return [Slot(each.place, element_key) for each in _Sheets(self._homes).plain(hole)]
        if self._pieces is None:
            return []
        return [piece.slot for piece in self._pieces.of(hole, hole.lead)]

    def _copies(self, hole: Hole) -> int:
        """How many homes have a hole that leads nowhere else."""
        if hole.ticket:
            return 0 if self._tickets is None else self._tickets.copies(hole)
        if hole.extent is not None:
            return len(self._slots(hole))
        to = hole.destination is not None
        version = hole.who.version
        return sum(
            version in home.versions and bool(home.set_name(version, to=to)) for home in self._homes
        )

    def _take_out(self, netlink: Netlink, found: _Read) -> None:
        sheets = _Sheets(self._homes)
        for slots in found.parts.values():
            for slot in slots:
                sheets.of(slot.place).delete.add(slot.key)
        commit(netlink, list(sheets))

    def _wanted(self, openings: Iterable[Opening], now: float) -> dict[Hole, Opening]:
        """What is not over yet; of two for one hole the longer."""
        wanted: dict[Hole, Opening] = {}
        for opening in openings:
            hole = opening.hole
            if hole.lead is not None:
                if self._pieces is None:
                    raise HostError(f"nothing here leads on ({hole.lead})")
            elif hole.extent is not None:
                if self._extents is None or not self._extents.able(hole.extent):
                    raise HostError(f"nothing here can let in just {hole.who}{hole.extent}")
                if not self._copies(hole):
                    continue  # a length of a policy that is no more: nobody gets in by it
            elif hole.ticket:
                if not self._copies(hole):
                    continue  # the same: nothing is counted any more
            elif not self._copies(hole):
                raise HostError(f"nothing here lets IPv{hole.who.version} in")
            other = wanted.get(hole)
            if opening.until > now and (other is None or other.until < opening.until):
                wanted[hole] = opening
        return wanted

    def _plain_places(self) -> list[Place]:
        return [
            place(home, version, to=to)
            for home in self._homes
            for version in home.versions
            for to in (False, True)
            if home.set_name(version, to=to)
        ]

    def _places(self) -> list[Place]:
        led = [] if self._pieces is None else list(self._pieces.places)
        parts = [] if self._extents is None else list(self._extents.places)
        counted = [] if self._tickets is None else list(self._tickets.places)
        return [*self._plain_places(), *led, *parts, *counted]

    def _remember(self, tag: Tag, held: _Held) -> None:
        other = self._tags.get(held.hole)
        if other is not None and other != tag:
            del self._held[other]
        self._held[tag] = held
        self._tags[held.hole] = tag

    def _forget(self, tag: Tag) -> None:
        held = self._held.pop(tag, None)
        if held is not None and self._tags.get(held.hole) == tag:
            del self._tags[held.hole]
