"""Waiting for something with a limit, and giving up in words."""

from __future__ import annotations

import time
from collections.abc import Callable


class StageError(Exception):
    """The stage could not be built; the message is for the person who runs the demo."""


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes true in that time."""
    until = time.monotonic() + seconds
    while not (came := true()) and time.monotonic() < until:
        time.sleep(0.05)
    return came
