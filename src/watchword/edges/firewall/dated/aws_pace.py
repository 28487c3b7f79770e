"""How often AWS is asked whether others changed something.

In here: when the next look is due. Not in here: the calls (aws_calls), what is looked for (aws).

Every look is a call that AWS counts. So it is looked often only while something is open or has yet
to be taken out, and less often each time that AWS asks for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

SELDOM: Final = 30.0
"""Seconds between looks while nothing is open, for what was left behind; and the longest that AWS
can make us wait, unless the operator wants longer."""


class Pace:
    """Of one who looks."""

    def __init__(self, every: float, steady: Callable[[], float]) -> None:
        """``every``: seconds between looks while AWS does not mind. ``steady``: the clock."""
        self._every = every
        self._steady = steady
        self._pause = every
        self._last = -math.inf

    def due(self, *, live: bool) -> bool:
        """Whether it is time to look. ``live``: something is open, or has yet to be taken out."""
        pause = self._pause if live else max(SELDOM, self._pause)
        return self._steady() >= self._last + pause

    def looks(self) -> None:
        """AWS is asked now."""
        self._last = self._steady()

    def answered(self) -> None:
        """It told what is there."""
        self._pause = max(self._every, self._pause / 2)

    def slowed(self) -> None:
        """It asked to be asked less often."""
        self._pause = min(self._pause * 2, max(SELDOM, self._every))
