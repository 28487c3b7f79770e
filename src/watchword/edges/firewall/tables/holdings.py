"""Which rules are in the tables, and when each has to go.

In here: names, rules and ends, and what is due. Not in here: taking rules out
(warden). No I/O.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable

from watchword.edges.firewall.tables.listing import Line
from watchword.edges.firewall.tables.messages import Entries


class Holdings:
    """What somebody has to take out again, by name."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, tuple[Line, ...]]] = {}
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def hold(self, entries: Entries) -> None:
        for name, (until, lines) in entries.items():
            self._held[name] = (until, tuple(lines))
            heapq.heappush(self._ends, (until, name))

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
            self._held.pop(name, None)

    def without(self, names: Iterable[str], homes: Collection[tuple[int, str]]) -> list[str]:
        """Their rules in these tables are gone; return which have some left in others."""
        left = []
        for name in names:
            until, lines = self._held[name]
            if remaining := tuple(each for each in lines if each[:2] not in homes):
                self._held[name] = (until, remaining)
                left.append(name)
            else:
                del self._held[name]
        return left

    def lines(self, names: Iterable[str]) -> list[Line]:
        """Their rules; what is not held has none."""
        return [line for name in names if name in self._held for line in self._held[name][1]]

    def names(self) -> Collection[str]:
        return self._held.keys()

    def due(self, now: float) -> list[str]:
        """Whose time is up; they stay held until they are dropped."""
        found: dict[str, None] = {}
        while self._ends and self._ends[0][0] <= now:
            until, name = heapq.heappop(self._ends)
            if name in self._held and self._held[name][0] == until:
                found[name] = None
        return list(found)

    def again(self, names: Iterable[str], at: float) -> None:
        """Have these come up as due once more, at another time."""
        for name in names:
            _, lines = self._held[name]
            self.hold({name: (at, lines)})

    def next_end(self) -> float | None:
        while self._ends:
            until, name = self._ends[0]
            if name in self._held and self._held[name][0] == until:
                return until
            heapq.heappop(self._ends)
        return None
