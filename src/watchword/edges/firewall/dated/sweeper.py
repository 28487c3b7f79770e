"""Takes out rules whose time is up, by what the rules themselves say.

In here: what is due, and when to look again. Not in here: the process that does it when the
server is dead (heir_process), the server's own ends, which come first (backend).

A rule says when it ends by the wall clock. From when it is first seen on, its time is counted on
the steady clock, so that nobody gets more time by a clock that is set back.
"""

from __future__ import annotations

from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.rule import Rule, Tool
from watchword.errors import HostError
from watchword.ports import Clock

GRACE = 2.0
"""Seconds for the server, while it lives, to end them itself."""
AGAIN = 1.0
"""Seconds until what could not be done is tried again."""


class Sweeper:
    """For one firewall."""

    def __init__(self, tool: Tool, lock: Lock, clock: Clock, *, alone: bool = False) -> None:
        """``alone``: nobody else ends rules."""
        self.alone = alone
        self._tool = tool
        self._lock = lock
        self._clock = clock
        self._ends: dict[Rule, float] = {}

    def turn(self) -> float | None:
        """Take out what is over. Returns the seconds until there is more; None: no rule is left."""
        try:
            with self._lock.held():
                return self._turn()
        except HostError:
            return AGAIN

    def hear(self, data: bytes) -> None:
        """Rules were changed: the next turn reads them."""

    def end_everything(self) -> bool:
        """Take out every rule, whatever it says; return whether none is left."""
        try:
            with self._lock.held():
                self._tool.change(set(self._tool.read()), ())
                return not self._tool.read()
        except HostError:
            return False

    def _turn(self) -> float | None:
        standing = self._tool.read()
        now = self._clock.now()
        ends = {rule: self._ends.get(rule, now.steady + rule.ends - now.wall) for rule in standing}
        grace = 0.0 if self.alone else GRACE
        due = {rule for rule, end in ends.items() if end + grace <= now.steady}
        self._ends = {rule: end for rule, end in ends.items() if rule not in due}
        if due:
            self._tool.change(due, ())
        self._tool.tidy(now.steady)
        if not self._ends:
            return None
        return max(0.0, min(self._ends.values()) + grace - now.steady)
