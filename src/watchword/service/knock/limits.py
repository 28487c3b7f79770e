"""Keeps what knocks can bring about within bounds.

In here: how much may be under way, telling now and then how much was not done.
Not in here: attempts (recognise.doors), lines of the log (teller).

A door with few knocks can be opened by anybody, for made-up senders and as fast as
packets come. What it leads to takes longer than a packet.
"""

from __future__ import annotations

from collections.abc import Callable

from watchword.model.door_events import DoorEvent, Trouble
from watchword.ports import Clock

_PAUSE = 1.0  # seconds between two lines


class Limit:
    """So much of one kind at once, and no more."""

    def __init__(
        self, most: int, what: str, tell: Callable[[DoorEvent], None], clock: Clock
    ) -> None:
        """``what``: the plural of what there may be so many of, for the log."""
        self._most = most
        self._what = what
        self._tell = tell
        self._clock = clock
        self._left_out = 0
        self._not_before = 0.0

    def admits(self, under_way: int) -> bool:
        """Whether one more may be begun; if not, it is told, once in a while."""
        if under_way < self._most:
            return True
        self._left_out += 1
        now = self._clock.now().steady
        if now >= self._not_before:
            self._not_before = now + _PAUSE
            said = f"{self._most} {self._what} are under way: {self._left_out} more were left out"
            self._left_out = 0
            self._tell(Trouble(said, "give doors longer sequences, or Secret"))
        return False
