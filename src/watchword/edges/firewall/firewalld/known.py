"""Which openings the backend has in firewalld, by which rules, in which zones.

In here: openings by tag and by hole, and the comparison with what is listed. Not in here:
changing anything (backend). No I/O.

A rule of ours that nobody here knows is a stray, of an earlier run or of a zone that others came
to, and is to go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from watchword.edges.firewall.firewalld.rules import Rule
from watchword.model.openings import Hole, Opening, Tag

EARLIEST = 2.1
"""Seconds by which firewalld may end a rule before its time: timeouts are whole seconds, from 0.8
seconds before its end down, and counted in bundles, by up to 0.3 seconds less."""
Found = Mapping[str, Collection[Rule]]
"""Rules of ours that are in force, by zone."""


class Entry(NamedTuple):
    rule: Rule
    until: float
    """Steady seconds."""
    stray: bool = False

    def sure(self, now: float) -> bool:
        """Whether firewalld cannot have ended it by itself."""
        return self.until - EARLIEST > now


class Known:
    """What is open as far as the backend knows."""

    def __init__(self, priorities: tuple[int, int]) -> None:
        """``priorities``: of our rules; either does, and no other."""
        self._priorities = priorities
        self._held: dict[Tag, Entry] = {}
        self._tags: dict[Hole, Tag] = {}

    def __contains__(self, tag: Tag) -> bool:
        return tag in self._held

    def tags(self) -> frozenset[Tag]:
        return frozenset(self._held)

    def entries(self) -> Collection[Entry]:
        return self._held.values()

    def in_force(self, now: float) -> list[Hole]:
        """What is not over, as far as we know."""
        entries = self._held.values()
        return [each.rule.hole for each in entries if not each.stray and each.until > now]

    def holes(self) -> list[Hole]:
        """In force, or over and not taken out yet."""
        return [each.rule.hole for each in self._held.values() if not each.stray]

    def entry(self, tag: Tag) -> Entry:
        return self._held[tag]

    def standing(self, hole: Hole) -> Tag | None:
        """The opening that a hole has."""
        return self._tags.get(hole)

    def free_rule(self, hole: Hole) -> tuple[Rule, Tag | None]:
        """A rule for a hole, beside the one it has; and which stray is that rule already."""
        standing = self._tags.get(hole)
        used = None if standing is None else self._held[standing].rule
        rules = [Rule(hole, each) for each in self._priorities]
        free = [each for each in rules if each != used]
        new = next((each for each in free if _name(each) not in self._held), free[0])
        return new, _name(new) if _name(new) in self._held else None

    def note(self, tag: Tag, entry: Entry) -> None:
        self._held[tag] = entry
        if not entry.stray:
            self._tags[entry.rule.hole] = tag

    def forget(self, tags: Iterable[Tag]) -> None:
        for tag in tags:
            entry = self._held.pop(tag, None)
            if entry is not None and self._tags.get(entry.rule.hole) == tag:
                del self._tags[entry.rule.hole]

    def agrees(self, found: Found, now: float) -> bool:
        """Whether everything that firewalld cannot have ended is in each zone, and no stray."""
        ours = {each.rule for each in self._held.values()}
        live = {each.rule for each in self._held.values() if each.sure(now)}
        return all(live <= set(there) <= ours for there in found.values())

    def compare(self, found: Found, now: float) -> bool:
        """Forget what is not in each zone, learn strays; return whether that was surprising."""
        everywhere = set.intersection(*map(set, found.values())) if found else set()
        somewhere = set().union(*found.values())
        lost = [tag for tag, each in self._held.items() if each.rule not in everywhere]
        early = any(self._held[tag].sure(now) for tag in lost)
        self.forget(lost)
        strays = somewhere - {each.rule for each in self._held.values()}
        for rule in strays:
            self.note(_name(rule), Entry(rule, now, stray=True))
        return early or bool(strays)

    def claim(self, opening: Opening, found: Found) -> Entry | None:
        """A stray that is this opening, in each zone, is known from now on; as what."""
        if opening.tag in self._held:
            return None
        for priority in self._priorities:
            rule = Rule(opening.hole, priority)
            if _name(rule) in self._held and all(rule in there for there in found.values()):
                self.forget([_name(rule)])
                entry = Entry(rule, opening.until)
                self.note(opening.tag, entry)
                return entry
        return None


def _name(rule: Rule) -> Tag:
    words = " ".join(map(str, (rule.priority, *rule.hole)))
    return Tag(hashlib.blake2s(words.encode(), digest_size=8).hexdigest())
