"""Secret ports that were somebody's a moment ago, at the address where they were.

In here: which they are, until when, and how many are one person's.
Not in here: how long that is, and what follows for who asks now (crowd).

No clock: methods are told steady seconds. Bounded: those that are free soonest are forgotten first.
"""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Final, TypeAlias

from watchword.model.addresses import Address
from watchword.model.services import Service

MOST: Final = 16_384
_Port: TypeAlias = tuple[Address, Service]


class UsedPorts:
    """Those of all addresses."""

    def __init__(self) -> None:
        self._used: dict[_Port, tuple[float, str]] = {}
        """Until when, and whose."""
        self._own: Counter[tuple[Address, str]] = Counter()
        self._ends: list[tuple[float, int, _Port]] = []
        """A heap; has ends that were moved since."""
        self._number = 0

    def __len__(self) -> int:
        return len(self._used)

    def note(self, who: Address, service: Service, identity: str, until: float) -> None:
        """Somebody has it."""
        port = who, service
        self._forget(port)
        self._used[port] = until, identity
        self._own[who, identity] += 1
        self._number += 1
        heapq.heappush(self._ends, (until, self._number, port))
        if len(self._ends) > 2 * MOST:
            self._ends = [(end, at, each) for at, (each, (end, _)) in enumerate(self._used.items())]
            heapq.heapify(self._ends)
        while len(self._used) > MOST:
            self._take_first()

    def is_used(self, who: Address, service: Service, now: float) -> bool:
        """Whether it is not to be had yet."""
        return self._used.get((who, service), (0.0, ""))[0] > now

    def own(self, who: Address, identity: str, now: float) -> int:
        """How many are somebody's at an address."""
        while self._ends and self._ends[0][0] <= now:
            self._take_first()
        return self._own[who, identity]

    def _take_first(self) -> None:
        until, _, port = heapq.heappop(self._ends)
        if port in self._used and self._used[port][0] == until:
            self._forget(port)

    def _forget(self, port: _Port) -> None:
        _, identity = self._used.pop(port, (0.0, None))
        if identity is not None:
            self._own[port[0], identity] -= 1
            if not self._own[port[0], identity]:
                del self._own[port[0], identity]
