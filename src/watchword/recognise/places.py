"""How many attempts are followed at once, and which of them is forgotten for another one.

In here: attempts by how far they got. Not in here: what they are attempts at (doors, sequences).

Anybody can make up senders, and for one that has knocked once he needs to know one port. Who got
further is worth more, and is kept before those who have just begun. But whoever knows two ports
can make up such senders as well: so a quarter of the places is for beginners, whoever has the
others. Of both kinds the oldest goes first: an honest attempt goes on a moment later, and is young.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Attempt = TypeVar("Attempt", bound=Hashable)


class Places(Generic[Attempt]):
    """The attempts that have one."""

    def __init__(self, most: int) -> None:
        """``most``: so many attempts, at least 1."""
        self._most = most
        self._newcomers: OrderedDict[Attempt, None] = OrderedDict()
        """Those that made one knock, in the order in which they made it."""
        self._others: OrderedDict[Attempt, None] = OrderedDict()
        """In the order in which they got so far."""

    def __len__(self) -> int:
        return len(self._newcomers) + len(self._others)

    def outsider(self) -> Attempt | None:
        """Who has to be dropped before another one can begin; None: there is room."""
        if len(self) < self._most:
            return None
        beginners = len(self._newcomers)
        kind = self._newcomers if beginners >= max(1, self._most // 4) else self._others
        return next(iter(kind or self._newcomers))

    def begin(self, attempt: Attempt) -> None:
        """It has made one knock."""
        self._newcomers[attempt] = None

    def goes_on(self, attempt: Attempt) -> None:
        """It has made more than one."""
        if attempt in self._newcomers:
            del self._newcomers[attempt]
            self._others[attempt] = None

    def drop(self, attempt: Attempt) -> None:
        """It is over."""
        self._newcomers.pop(attempt, None)
        self._others.pop(attempt, None)
