"""So many in a row, and after that one in each pause.

In here: counting. Not in here: what is counted (alerts, webhooks, audit).
"""

from __future__ import annotations


class Pace:
    """Times are steady-clock seconds."""

    def __init__(self, at_once: float, pause: float, now: float) -> None:
        self._at_once = self._left = float(at_once)
        self._pause = pause
        self._counted = now

    def allows(self, now: float) -> bool:
        """Whether there may be one more now; if so, it is counted."""
        self._left = min(self._at_once, self._left + (now - self._counted) / self._pause)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
