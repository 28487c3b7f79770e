"""What time it is, and which boot of the machine this is.

In here: the system's two clocks read together, the name of the current boot,
and a clock for tests that moves only when told to.
Not in here: anything that waits (service.daemon.daemon).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from watchword.model.moments import Moment
from watchword.ports import Clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Moment:
        return Moment(time.time(), _steady())


class FakeClock:
    """Moves only when told to."""

    def __init__(self, wall: float = 1_700_000_000.0, steady: float = 1_000.0) -> None:
        self.wall = wall
        self.steady = steady

    def now(self) -> Moment:
        return Moment(self.wall, self.steady)

    def advance(self, seconds: float) -> Moment:
        """Let time pass, on both clocks alike; return the new moment."""
        self.wall += seconds
        self.steady += seconds
        return self.now()

    def step_wall(self, seconds: float) -> Moment:
        """Set the wall clock forward or back, as an administrator or NTP does."""
        self.wall += seconds
        return self.now()


def boot_id() -> str:
    """A name for the time since this machine started; empty where the system has none.

    Two equal names that are not empty mean that steady times of then and now
    are on the same clock.
    """
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _steady() -> float:
    if sys.platform == "linux":  # CLOCK_MONOTONIC stands still while Linux sleeps
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


_: tuple[type[Clock], ...] = (SystemClock, FakeClock)
