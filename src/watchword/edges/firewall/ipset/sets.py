"""The sets that hold openings, and the backend's own memory of them.

In here: making and removing the sets, changes of openings into members, and
reading them back. Not in here: the bytes (messages), what lets members in
(backend, tables).

Each member is put in and taken out by itself, and replaces what was there for
its hole. So a change can fail half way only where a set is full or gone; what
had been done of it is then undone.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from watchword.edges.firewall.ipset import messages
from watchword.edges.firewall.nft.attributes import Message, Request
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.edges.firewall.plain import service_of
from watchword.edges.firewall.wanted import wanted
from watchword.errors import HostError
from watchword.model.openings import ChangeSet, Hole, Opening, Tag
from watchword.ports import Clock

_GRAIN = 1.0
"""Seconds: the kernel may end a member this much before its time."""
_LATE = 0.05
"""Seconds: a member that would end this much early gets the next whole second instead."""


class Place(NamedTuple):
    """One of our sets."""

    name: str
    version: int
    to: bool
    """Whether its members have a destination."""
    answers: bool = False
    """Whether it is asked about what goes out, and nothing else."""


class _Held(NamedTuple):
    hole: Hole
    until: float
    """Steady seconds."""


class OpeningSets:
    """What is open, in all of our sets."""

    def __init__(
        self, prefix: str, versions: Iterable[int], clock: Clock, *, answers: bool = False
    ) -> None:
        """``answers``: whether there are openings for answers alone."""
        kinds = [Place(end, 0, to) for end, to in (("", False), ("to", True))]
        out = [Place(end, 0, to, answers=True) for end, to in (("a", False), ("at", True))]
        whole = [
            each._replace(name=f"{prefix}{version}{each.name}", version=version)
            for version in versions
            for each in (*kinds, *out)
        ]
        self.places = tuple(each for each in whole if answers or not each.answers)
        self._whole = whole
        """With those that other settings would have made."""
        self._by_kind = {(each.version, each.to, each.answers): each.name for each in self.places}
        self.lost = False
        """Members were found missing before their time; for whoever sees to that to reset."""
        self._clock = clock
        self._held: dict[Tag, _Held] = {}
        self._tags: dict[Hole, Tag] = {}
        self._counts = dict.fromkeys(self._by_kind.values(), 0)
        self._foreign = dict(self._counts)
        """Members that are not ours, when we last looked."""

    def make(self, netlink: Netlink) -> None:
        """Make those that are missing. Raises HostError: there is another of that name."""
        for place in self.places:
            try:
                _tell(netlink, messages.create(place.name, place.version, to=place.to))
            except KernelError as refused:
                if refused.number != errno.EEXIST:
                    raise
                if not self._ours(netlink, place):
                    raise _not_ours(place.name) from refused

    def check(self, netlink: Netlink) -> None:
        """Raises HostError: there is a set of our name that is not ours."""
        for place in self.places:
            if not self._ours(netlink, place):
                raise _not_ours(place.name)

    def destroy(self, netlink: Netlink) -> None:
        """Remove those of our shape. Raises HostError: something still uses one."""
        for place in self._whole:
            if self._ours(netlink, place) and _header(netlink, place.name) is not None:
                _tell(netlink, messages.destroy(place.name))
        self._forget_all()

    def whole(self, netlink: Netlink) -> bool:
        """Whether all are there, with as many members as we know of, and no more."""
        if self.lost:
            return False
        for place in self.places:
            header = _header(netlink, place.name)
            if header is None:
                return False
            _, count = messages.read_header(header.attributes)
            known = self._counts[place.name]
            if count > known + self._foreign[place.name]:  # somebody loads an old dump, it may be
                return False
            if count < known and count < self._surely(place.name):
                return False
        return True

    def _surely(self, name: str) -> int:
        """How many members of a set the kernel cannot have ended yet."""
        soonest = self._clock.now().steady + _GRAIN
        return sum(
            self._name(held.hole) == name and held.until > soonest for held in self._held.values()
        )

    def holes(self, tags: Iterable[Tag] | None = None) -> Collection[Hole]:
        """Of these openings, or of all: in force, or over and not taken out yet."""
        if tags is None:
            return list(self._tags)
        return [self._held[tag].hole for tag in tags if tag in self._held]

    def in_force(self) -> list[Hole]:
        """What is not over, as far as we know."""
        now = self._clock.now().steady
        return [held.hole for held in self._held.values() if held.until > now]

    def apply(self, netlink: Netlink, change: ChangeSet) -> None:
        """Carry out a change. Raises HostError: nothing of it is there."""
        now = self._clock.now().steady
        opened = {
            hole: opening
            for hole, opening in wanted(change.add, now).items()
            if self._has_room(hole)
        }
        gone = {self._held[tag].hole for tag in change.remove if tag in self._held}
        for hole in opened:  # what no set can hold is refused before anything is done
            self._name(hole)
            service_of(hole._replace(answers=False) if hole.answers else hole)
        removed = [hole for hole in gone if hole not in opened]
        try:
            self._write(netlink, opened.values(), now)
            self._take(netlink, removed)
        except HostError:
            self._undo(netlink, [*opened, *removed], now)
            raise
        for tag in change.remove:
            self._forget(tag)
        for hole, opening in opened.items():
            self._remember(opening.tag, _Held(hole, opening.until))

    def read(self, netlink: Netlink) -> frozenset[Tag]:
        """Tags of what the kernel has. Raises HostError."""
        now = self._clock.now().steady
        soonest = now + _GRAIN
        found: dict[Tag, _Held] = {}
        self._foreign = dict.fromkeys(self._counts, 0)
        for place in self.places:
            for member in _members(netlink, place.name):
                self._foreign[place.name] += member.tag is None
                if member.tag is not None:
                    known = self._held.get(member.tag)
                    rest = math.inf if member.remaining is None else now + member.remaining
                    hole = member.hole._replace(answers=True) if place.answers else member.hole
                    found[member.tag] = known or _Held(hole, rest)
        self.lost = self.lost or any(
            held.until > soonest and tag not in found for tag, held in self._held.items()
        )
        self._forget_all()
        for tag, held in found.items():
            self._remember(tag, held)
        return frozenset(found)

    def _write(self, netlink: Netlink, openings: Iterable[Opening], now: float) -> None:
        sheets: dict[str, list[tuple[Hole, int, Tag]]] = {}
        for each in openings:
            entry = (each.hole, _seconds(each.until - now), each.tag)
            sheets.setdefault(self._name(each.hole), []).append(entry)
        for name, members in sheets.items():
            for request in messages.put(name, members):
                _tell(netlink, request)

    def _take(self, netlink: Netlink, holes: Iterable[Hole]) -> None:
        sheets: dict[str, list[Hole]] = {}
        for hole in holes:
            sheets.setdefault(self._name(hole), []).append(hole)
        for name, keys in sheets.items():
            for request in messages.take(name, keys):
                _tell(netlink, request)

    def _undo(self, netlink: Netlink, holes: Sequence[Hole], now: float) -> None:
        """Put back what was there for these holes, as far as the kernel lets us."""
        before = [Opening(held.hole, held.until) for held in map(self._standing, holes) if held]
        standing = {each.hole for each in before if each.until > now}
        try:
            self._take(netlink, [hole for hole in holes if hole not in standing])
            self._write(netlink, [each for each in before if each.until > now], now)
        except HostError:
            return  # sets are gone, and all that was in them

    def _standing(self, hole: Hole) -> _Held | None:
        tag = self._tags.get(hole)
        return None if tag is None else self._held[tag]

    def _has_room(self, hole: Hole) -> bool:
        """False: for answers alone, where every opening lets them out."""
        return not hole.answers or any(each.answers for each in self.places)

    def _name(self, hole: Hole) -> str:
        name = self._by_kind.get((hole.who.version, hole.destination is not None, hole.answers))
        if name is None:
            raise HostError(f"nothing here lets IPv{hole.who.version} in")
        return name

    def _remember(self, tag: Tag, held: _Held) -> None:
        other = self._tags.get(held.hole)
        if other is None:
            self._counts[self._name(held.hole)] += 1
        elif other != tag:
            del self._held[other]
        self._held[tag] = held
        self._tags[held.hole] = tag

    def _forget(self, tag: Tag) -> None:
        held = self._held.pop(tag, None)
        if held is not None and self._tags.get(held.hole) == tag:
            del self._tags[held.hole]
            self._counts[self._name(held.hole)] -= 1

    def _forget_all(self) -> None:
        self._held.clear()
        self._tags.clear()
        self._counts = dict.fromkeys(self._counts, 0)

    @staticmethod
    def _ours(netlink: Netlink, place: Place) -> bool:
        """Whether a set is there with our shape, or is not there."""
        header = _header(netlink, place.name)
        return header is None or messages.is_ours(header.attributes, place.version, to=place.to)


def _seconds(remaining: float) -> int:
    """A timeout for what remains, which is more than 0: never 0, which would be for ever.

    Rounded down, so that nothing stays open past its time if the daemon is dead; but the
    moment that passes between a decision and its carrying out costs nobody a second.
    """
    return max(1, min(math.floor(remaining + _LATE), messages.LONGEST_TIMEOUT))


def _tell(netlink: Netlink, request: Request) -> None:
    try:
        netlink.tell(request)
    except KernelError as refused:
        words = messages.WORDS.get(refused.number)
        if words is None:
            raise
        raise KernelError("a change of a set", refused.number, words) from refused


def _dump(netlink: Netlink, request: Request) -> list[Message]:
    """Nothing if there is no such set."""
    try:
        return netlink.dump(request)
    except KernelError as refused:
        if refused.number == errno.ENOENT:
            return []
        raise


def _header(netlink: Netlink, name: str) -> Message | None:
    found = _dump(netlink, messages.listing(name, header=True))
    return found[0] if found else None


def _members(netlink: Netlink, name: str) -> Iterator[messages.Member]:
    for message in _dump(netlink, messages.listing(name)):
        yield from messages.listed(message.attributes)


def _not_ours(name: str) -> HostError:
    return HostError(
        f"there is a set {name} that is not ours",
        hint="name ours differently with IPSET_NAME, or remove that one",
    )
