"""When grants end, the next one first.

In here: ends in their order, also where they are moved. Not in here: the grants (ledger).

A moved end stays in the heap where it was, and is passed over when its turn comes; they are cleared
away when there are more of them than of others. So moving one costs no search.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

_MOVED: Final = 1000  # ends that are kept at the least, though they were moved


class Ends:
    """By names of grants; steady seconds."""

    def __init__(self, until: Callable[[str], float | None]) -> None:
        """``until``: when the grant of a name ends as things are; None: it is not in force."""
        self._until = until
        self._heap: list[tuple[float, int, str]] = []
        self._turns = count()
        """Among those that end at once, who was first ends first."""

    def note(self, name: str, until: float, in_force: int) -> None:
        """A grant ends then. ``in_force``: how many there are now."""
        heapq.heappush(self._heap, (until, next(self._turns), name))
        if len(self._heap) > 2 * in_force + _MOVED:
            ends: dict[str, tuple[float, int, str]] = {}
            for end in sorted(self._heap):
                if self._until(end[2]) == end[0]:
                    ends.setdefault(end[2], end)
            self._heap = sorted(ends.values())

    def come(self, now: float) -> Iterator[str]:
        """Whose end has come, in the order of ends, then of beginnings. Each is to be dropped
        before the next is asked for."""
        while self._heap and self._heap[0][0] <= now:
            until, _, name = heapq.heappop(self._heap)
            if self._until(name) == until:
                yield name

    def next(self) -> float | None:
        """When ``come`` next has something to do; None: never."""
        return self._heap[0][0] if self._heap else None

    def __len__(self) -> int:
        """With those that were moved."""
        return len(self._heap)
