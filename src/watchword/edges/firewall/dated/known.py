"""Which openings the backend put into a firewall, and which of its rules are there.

In here: openings by tag and by hole, and the comparison with what is listed. Not in here:
changing anything (backend). No I/O.

A rule has no room for a tag. One that looks like ours and that nobody here knows is a stray: of an
earlier run, or put back by others, and is to go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from watchword.edges.firewall.dated.rule import Rule
from watchword.model.moments import Moment
from watchword.model.openings import Hole, Opening, Tag


class Entry(NamedTuple):
    rule: Rule
    until: float
    """Steady seconds."""
    hole: Hole | None
    """None: of a stray."""


class Known:
    """What is open as far as the backend knows."""

    def __init__(self) -> None:
        self._held: dict[Tag, Entry] = {}
        self._tags: dict[Hole, Tag] = {}

    def __contains__(self, tag: Tag) -> bool:
        return tag in self._held

    def tags(self) -> frozenset[Tag]:
        return frozenset(self._held)

    def rules(self, tags: Iterable[Tag]) -> set[Rule]:
        return {self._held[tag].rule for tag in tags}

    def standing(self, hole: Hole) -> Tag | None:
        """The opening that a hole has."""
        return self._tags.get(hole)

    def note(self, tag: Tag, entry: Entry) -> None:
        self._held[tag] = entry
        if entry.hole is not None:
            self._tags[entry.hole] = tag

    def forget(self, tags: Iterable[Tag]) -> None:
        for tag in tags:
            entry = self._held.pop(tag, None)
            if entry is not None and entry.hole is not None and self._tags.get(entry.hole) == tag:
                del self._tags[entry.hole]

    def agrees(self, found: Collection[Rule], now: Moment) -> bool:
        """Whether everything that is not over is there, and nothing else that looks like it."""
        there, ours = set(found), {each.rule for each in self._held.values()}
        live = {each.rule for each in self._held.values() if each.until > now.steady}
        return live <= there <= ours

    def compare(self, found: Collection[Rule], now: Moment) -> bool:
        """Forget what is not there, learn strays; return whether anything was surprising."""
        there = set(found)
        lost = [tag for tag, each in self._held.items() if each.rule not in there]
        early = any(self._held[tag].until > now.steady for tag in lost)
        self.forget(lost)
        strays = there - {each.rule for each in self._held.values()}
        for rule in strays:
            self.note(_name(rule), Entry(rule, now.steady + rule.ends - now.wall, None))
        return early or bool(strays)

    def claim(self, opening: Opening, forms: Iterable[Rule]) -> None:
        """A stray that is this opening, in one of the forms it may have, is known from now on."""
        if opening.tag in self._held:
            return
        for rule in forms:
            stray = _name(rule)
            if stray in self._held:
                self.forget([stray])
                self.note(opening.tag, Entry(rule, opening.until, opening.hole))
                return


def _name(rule: Rule) -> Tag:
    text = f"{rule.hole.who} {rule.hole.service} {rule.hole.destination} _exp_{rule.ends}"
    return Tag(hashlib.blake2s(text.encode(), digest_size=8).hexdigest())
