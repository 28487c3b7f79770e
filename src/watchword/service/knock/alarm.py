"""Rings when the next attempt has taken too long, whether anything comes or not.

In here: one timer for the earliest of many deadlines. Not in here: what they are (recognise).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings once for each time that it is set, or less often."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, deadline: float | None, now: float) -> None:
        """Ring at a deadline, both steady seconds, unless it rings before. None: there is none."""
        if deadline is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, deadline - now)
        if self._timer is not None:
            if loop.time() < self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._ring)

    def cancel(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
