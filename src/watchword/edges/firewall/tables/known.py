"""Which openings the backend put into iptables, and which of its rules are there.

In here: openings by tag and by hole, and the comparison with what the chains
hold. Not in here: changing anything (backend, warden). No I/O.

A rule has no room for a tag: it is to look as the packaged server's does. So it
is known by its text. A rule of that look that nobody here knows is a stray: of
an earlier run, or put back by others from a file, and is to go. Another rule
that says when it ends is somebody's own, and ends when it says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from watchword.edges.firewall.tables.listing import Line
from watchword.edges.firewall.tables.rules import expiry, is_grant
from watchword.model.moments import Moment
from watchword.model.openings import Hole, Opening, Tag


class Held(NamedTuple):
    hole: Hole | None
    """None: of a stray."""
    until: float
    """Steady seconds."""
    lines: tuple[Line, ...]


class Compared(NamedTuple):
    """What a comparison found."""

    surprising: bool
    """Whether something was lost before its time, or is there that should not be."""
    foreign: dict[str, tuple[float, Sequence[Line]]]
    """Strays, and rules of others that say when they end; with when that is, in steady seconds."""


class Known:
    """What is open as far as the backend knows."""

    def __init__(self) -> None:
        self._held: dict[Tag, Held] = {}
        self._tags: dict[Hole, Tag] = {}

    def entries(self) -> dict[str, tuple[float, Sequence[Line]]]:
        """All of them, for the warden."""
        return {tag: (held.until, held.lines) for tag, held in self._held.items()}

    def __contains__(self, tag: Tag) -> bool:
        return tag in self._held

    def standing(self, hole: Hole) -> Tag | None:
        """The opening that a hole has."""
        return self._tags.get(hole)

    def holes(self, tags: Iterable[Tag] | None = None) -> list[Hole]:
        """Of these openings, or of all: in force, or over and not taken out yet."""
        held = self._held.values() if tags is None else [self._held[tag] for tag in tags]
        return [each.hole for each in held if each.hole is not None]

    def in_force(self, now: Moment) -> list[Hole]:
        """What is not over; where a stray lets in is not known."""
        return [
            held.hole
            for held in self._held.values()
            if held.hole is not None and held.until > now.steady
        ]

    def note(self, tag: Tag, held: Held) -> None:
        if held.hole is not None:
            before = self._tags.get(held.hole)
            if before is not None and before != tag:
                del self._held[before]
            self._tags[held.hole] = tag
        self._held[tag] = held

    def forget(self, tags: Iterable[Tag]) -> None:
        for tag in tags:
            held = self._held.pop(tag, None)
            if held is not None and held.hole is not None and self._tags.get(held.hole) == tag:
                del self._tags[held.hole]

    def agrees(self, found: Counter[Line], now: Moment) -> bool:
        """Whether everything that is not over is there, once, and nothing that looks like it."""
        spare = found.copy()
        for held in self._held.values():
            for line in held.lines:
                if spare[line]:
                    spare[line] -= 1
                elif held.until > now.steady:
                    return False
        return not any(count and is_grant(line.rule) for line, count in spare.items())

    def compare(self, found: Counter[Line], now: Moment) -> Compared:
        """Forget what is not there, and learn strays."""
        spare = found.copy()
        lost = []
        for tag, held in self._held.items():
            if all(spare[line] for line in held.lines):
                spare.subtract(held.lines)
            else:
                lost.append(tag)
        early = any(self._held[tag].until > now.steady for tag in lost)
        self.forget(lost)
        foreign: dict[str, tuple[float, Sequence[Line]]] = {}
        strays = False
        for line, count in spare.items():
            ends = expiry(line.rule)
            if ends is None:
                continue
            until = now.steady + ends - now.wall
            for copy in range(count):
                name = _name(line, copy)
                if is_grant(line.rule):
                    strays = True
                    self.note(name, Held(None, until, (line,)))
                foreign[name] = (until, (line,))
        return Compared(early or strays, foreign)

    def tags(self) -> frozenset[Tag]:
        return frozenset(self._held)

    def claim(
        self, openings: Iterable[Opening], lines: Callable[[Opening], Iterable[tuple[Line, ...]]]
    ) -> tuple[set[Tag], dict[str, tuple[float, Sequence[Line]]]]:
        """Strays that are these openings, in one of the forms that each may have, are known.

        Returns the names that they had as strays, and what they are.
        """
        strays: dict[Line, list[Tag]] = {}
        for tag, held in self._held.items():
            if held.hole is None:
                strays.setdefault(held.lines[0], []).append(tag)
        before: set[Tag] = set()
        claimed: dict[str, tuple[float, Sequence[Line]]] = {}
        for opening in openings if strays else ():
            for form in lines(opening):
                if all(strays.get(each) for each in form):
                    names = {strays[each].pop() for each in form}
                    self.forget(names)
                    self.note(opening.tag, Held(opening.hole, opening.until, form))
                    before |= names
                    claimed[opening.tag] = (opening.until, form)
                    break
        return before, claimed


def counted(found: Mapping[tuple[int, str], Mapping[str, Sequence[str]]]) -> Counter[Line]:
    """Rules by how often they are there; ``found``: by IP version and table, then by chain."""
    return Counter(
        Line(version, table, chain, rule)
        for (version, table), chains in found.items()
        for chain, rules in chains.items()
        for rule in rules
    )


def _name(line: Line, copy: int) -> Tag:
    text = "\0".join([*map(str, line), str(copy)])
    return Tag(hashlib.blake2s(text.encode(), digest_size=8).hexdigest())
