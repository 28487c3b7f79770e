"""The openings in our sets, and the backend's own memory of them.

In here: changes of openings into elements, and reading them back.
Not in here: what stands around the sets (guard, jump, leading), which elements an
opening consists of (kinds), the transaction (commit).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from watchword.edges.firewall.nft.commit import Sheets, commit, look_up, standing
from watchword.edges.firewall.nft.elements import Live, Place, Slot
from watchword.edges.firewall.nft.extents import Extents
from watchword.edges.firewall.nft.kinds import Kinds
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.pieces import Pieces
from watchword.edges.firewall.nft.tickets import Tickets
from watchword.edges.firewall.wanted import wanted
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


class OpeningSets:
    """What is open, in every home."""

    def __init__(
        self,
        homes: Iterable[Home],
        clock: Clock,
        pieces: Pieces | None = None,
        extents: Extents | None = None,
        tickets: Tickets | None = None,
        *,
        answers: Iterable[Home] | None = None,
    ) -> None:
        """``pieces``: for openings that lead somewhere; ``extents``: for those for parts of
        addresses, or more than one; ``tickets``: for those by the number; None: there can be
        none. ``answers``: homes of those by which answers go out; of which there are none where
        every opening lets them out, and None: nobody asks us about what goes out."""
        self._homes = tuple(homes)
        self._kinds = Kinds(self._homes, pieces, extents, tickets, answers=answers)
        self._pieces = pieces
        self._extents = extents
        self._tickets = tickets
        self._fleeting = set(() if tickets is None else tickets.door_places)
        """Sets whose elements rules take out."""
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

    def every_hole(self) -> Iterable[Hole]:
        """The same, and where they lead."""
        return self._tags.keys()

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
        new = self._new(change.add, now)
        removed = [self._held[tag].hole for tag in change.remove if tag in self._held]
        sheets, noted = Sheets(), dict[Place, list[bytes]]()
        for hole in (*removed, *new):
            known = self._tags.get(hole)
            standing_ = known is not None and self._held[known].until > now
            for slot in self._kinds.slots(hole) if standing_ else ():  # else the kernel ended it
                sheets[slot.place].delete.add(slot.key)
            if hole.extent is not None and hole.extent.first and not (standing_ and hole in new):
                self._begin_anew(netlink, sheets, hole, noted, admits=hole in new)
        for hole, opening in new.items():
            for slot, element in self._kinds.elements(hole, opening.until - now, opening.tag):
                sheets[slot.place].add[slot.key] = element
        commit(netlink, sheets.values(), self._fleeting)
        slack = self._clock.now().steady - now + _SLACK  # the kernel counts from the commit on
        for tag in change.remove:
            self._forget(tag)
        for hole, opening in new.items():
            self._remember(opening.tag, _Held(hole, opening.until, opening.until + slack))
        return [hole for hole in removed if hole not in self._tags]

    def _begin_anew(
        self,
        netlink: Netlink,
        sheets: Sheets,
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
        sheets[notes].delete.update(
            each for each in noted[notes] if self._extents.is_note_of(each, slot)
        )
        there, element = self._extents.token(slot)
        if there in self._tokens:  # one of an earlier run is found by its being in the way
            sheets[there.place].delete.add(there.key)
            self._fleeting.add(there.place)
            self._tokens.discard(there)
        if admits:
            sheets[there.place].add[there.key] = element
            self._tokens.add(there)

    def read(self, netlink: Netlink) -> tuple[frozenset[Tag], list[Hole]]:
        """Tags of what the kernel has, and holes that were known and are no more.

        An opening of which only a part is there is none, and is taken out.
        None is taken for gone because a listing left it out. Raises HostError.
        """
        now = self._clock.now().steady
        lists = {
            place: lives
            for place in self._kinds.places()
            if (lives := standing(netlink, place)) is not None
        }
        found = self._folded(lists, now)
        doubted: list[Slot] = []
        for tag, held in self._held.items():
            if tag not in found.whole and held.until > now:
                doubted += self._kinds.slots(held.hole)
        for slots in found.parts.values():
            doubted += (*slots, *self._kinds.elsewhere(slots[0]))
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
                found.parts[tag] = self._kinds.slots(held.hole)
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
        for place, lives in lists.items():
            if place in led:
                continue
            late = 0.0 if self._tickets is None else self._tickets.late(place)
            for live in lives.values():
                hole = self._kinds.hole(place, live.key)
                until = math.inf if live.remaining is None else now + live.remaining - late
                if live.tag is not None and hole is not None and until > now:
                    held = _Held(hole, until, until + _SLACK), Slot(place, live.key)
                    plain.setdefault(live.tag, []).append(held)
        whole, parts = {}, {}
        for tag, found in plain.items():
            one = found[0][0]
            if one.hole.ticket > 0 and self._tickets is not None:
                joined = self._tickets.joined([each.hole for each, _ in found])
                one = one._replace(hole=joined)
            known = self._held.get(tag, one)
            if len(found) == self._kinds.copies(one.hole) == self._kinds.copies(known.hole):
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

    def _take_out(self, netlink: Netlink, found: _Read) -> None:
        sheets = Sheets()
        for slots in found.parts.values():
            for slot in slots:
                sheets[slot.place].delete.add(slot.key)
        commit(netlink, sheets.values())

    def _new(self, openings: Iterable[Opening], now: float) -> dict[Hole, Opening]:
        """What is to be put in. Raises HostError: it cannot be opened here."""
        found = wanted(openings, now)
        return {hole: opening for hole, opening in found.items() if self._kinds.has_room(hole)}

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
