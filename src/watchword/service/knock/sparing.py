"""Leaves out of a log what strangers bring about in floods, and counts it.

In here: how many lines there are in a second. Not in here: which lines those are, and where they
go (teller, service.daemon.doors).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from watchword.model.door_events import DoorEvent, Told
from watchword.model.doors import Step

BURST: Final = 200
"""Lines of attempts that led nowhere, in one second; more are counted."""
SECOND: Final = 1.0


class Sparing:
    """Counts by the second."""

    def __init__(self, steady: Callable[[], float]) -> None:
        """``steady``: seconds that never go back."""
        self._steady = steady
        self._second = 0.0
        self._told = 0
        self.left_out = 0
        """Lines that were not told, and whose number was not either."""

    def admits(self, event: DoorEvent, *, room: bool = True) -> bool:
        """Whether an event is to be told. ``room``: whether there is any place for more."""
        if not isinstance(event, Told) or event.progress.opened:
            return True
        now = self._steady()
        if now - self._second >= SECOND:
            self._second, self._told = now, 0
        self._told += 1
        if self._told <= BURST and room:
            return True
        self.left_out += 1
        return False

    def taken(self) -> int:
        """How many were left out since this was asked last."""
        count, self.left_out = self.left_out, 0
        return count


def concerns_debuggers(event: DoorEvent) -> bool:
    """Whether it is a spoilt attempt, of which knockd says nothing."""
    return isinstance(event, Told) and event.progress.step is Step.SPOILT
