"""The openings in our sets, and the backend's own memory of them.

In here: changes of openings into elements, and reading them back.
Not in here: what stands around the sets (guard, jump), the transaction
(commit).
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
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
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.errors import HostError
from watchword.model.openings import ChangeSet, Hole, Opening, Tag
from watchword.ports import Clock


class _Held(NamedTuple):
    hole: Hole
    until: float
    """Steady seconds."""


class OpeningSets:
    """What is open, in every home."""

    def __init__(self, homes: Iterable[Home], clock: Clock) -> None:
        self._homes = tuple(homes)
        self._clock = clock
        self._held: dict[Tag, _Held] = {}
        self._tags: dict[Hole, Tag] = {}

    @property
    def holes(self) -> Container[Hole]:
        """In force, or over and not taken out yet."""
        return self._tags.keys()

    def apply(self, netlink: Netlink, change: ChangeSet) -> list[Hole]:
        """Carry out a change; return the holes that are no more. Raises HostError."""
        now = self._clock.now().steady
        wanted = self._wanted(change.add, now)
        removed = [self._held[tag].hole for tag in change.remove if tag in self._held]
        sheets = self._sheets()
        for hole in (*removed, *wanted):
            known = self._tags.get(hole)
            if known is not None and self._held[known].until > now:  # else the kernel ended it
                for sheet in self._pages(sheets, hole):
                    sheet.delete.add(key(hole))
        added = [(opening.tag, _Held(hole, opening.until)) for hole, opening in wanted.items()]
        for tag, (hole, until) in added:
            element_key, seconds = key(hole), until - now
            for sheet in self._pages(sheets, hole):
                sheet.add[element_key] = opening_element(sheet.place, element_key, seconds, tag)
        commit(netlink, [each for pages in sheets.values() for each in pages])
        for tag in change.remove:
            self._forget(tag)
        for tag, held in added:
            self._remember(tag, held)
        return [hole for hole in removed if hole not in self._tags]

    def read(self, netlink: Netlink) -> tuple[frozenset[Tag], list[Hole]]:
        """Tags of what the kernel has, and holes that were known and are no more.

        An opening that only some homes have is none, and is taken out there.
        None is taken for gone because a listing left it out. Raises HostError.
        """
        now = self._clock.now().steady
        lists = {
            place: lives
            for place in self._places()
            if (lives := standing(netlink, place)) is not None
        }
        found = self._folded(lists, now)
        missed = [
            held.hole for tag, held in self._held.items() if tag not in found and held.until > now
        ]
        if doubted := [*missed, *self._halves(found).values()]:
            self._ask(netlink, lists, doubted)
            found = self._folded(lists, now)
        if halves := self._halves(found):
            self._take_out(netlink, halves.values())
        before = list(self._tags)
        self._held.clear()
        self._tags.clear()
        for tag, held in found.items():
            if tag not in halves:
                self._remember(tag, held[0])
        return frozenset(self._held), [hole for hole in before if hole not in self._tags]

    @staticmethod
    def _folded(lists: Mapping[Place, Mapping[bytes, Live]], now: float) -> dict[Tag, list[_Held]]:
        """Openings by tag, each as often as there are elements of it."""
        found: dict[Tag, list[_Held]] = {}
        for lives in lists.values():
            for live in lives.values():
                hole = hole_of(live.key)
                if live.tag is not None and hole is not None:
                    until = math.inf if live.remaining is None else now + live.remaining
                    found.setdefault(live.tag, []).append(_Held(hole, until))
        return found

    def _halves(self, found: Mapping[Tag, Sequence[_Held]]) -> dict[Tag, Hole]:
        """What is not in every home where it belongs."""
        return {
            tag: held[0].hole
            for tag, held in found.items()
            if len(held) != self._copies(held[0].hole)
        }

    def _ask(
        self, netlink: Netlink, lists: Mapping[Place, dict[bytes, Live]], holes: Iterable[Hole]
    ) -> None:
        """Add to the lists what they left out of these holes."""
        sheets = self._sheets()
        slots = [
            Slot(page.place, key(hole)) for hole in holes for page in self._pages(sheets, hole)
        ]
        left_out = [
            slot for slot in slots if slot.place in lists and slot.key not in lists[slot.place]
        ]
        for slot, live in look_up(netlink, left_out).items():
            lists[slot.place][slot.key] = live

    def _copies(self, hole: Hole) -> int:
        """How many elements one hole consists of."""
        return sum(hole.who.version in home.versions for home in self._homes)

    def _take_out(self, netlink: Netlink, holes: Iterable[Hole]) -> None:
        sheets = self._sheets()
        for hole in holes:
            for sheet in self._pages(sheets, hole):
                sheet.delete.add(key(hole))
        commit(netlink, [each for pages in sheets.values() for each in pages])

    def _wanted(self, openings: Iterable[Opening], now: float) -> dict[Hole, Opening]:
        """What is not over yet; of two for one hole the longer."""
        wanted: dict[Hole, Opening] = {}
        for opening in openings:
            version = opening.hole.who.version
            if not self._copies(opening.hole):
                raise HostError(f"nothing here lets IPv{version} in")
            other = wanted.get(opening.hole)
            if opening.until > now and (other is None or other.until < opening.until):
                wanted[opening.hole] = opening
        return wanted

    def _sheets(self) -> dict[tuple[int, bool], list[Sheet]]:
        """An empty sheet for each set, by IP version and whether keys have a destination."""
        return {
            (version, to): [
                Sheet(place(home, version, to=to))
                for home in self._homes
                if version in home.versions
            ]
            for version in (4, 6)
            for to in (False, True)
        }

    def _places(self) -> list[Place]:
        return [sheet.place for sheets in self._sheets().values() for sheet in sheets]

    @staticmethod
    def _pages(sheets: dict[tuple[int, bool], list[Sheet]], hole: Hole) -> list[Sheet]:
        return sheets[hole.who.version, hole.destination is not None]

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
