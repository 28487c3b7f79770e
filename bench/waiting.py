"""Waiting with a limit, and saying that something could not be measured."""

from __future__ import annotations

import time
from collections.abc import Callable


class NotMeasuredError(Exception):
    """A figure that cannot be had; the text is printed in its place."""


def wait_until(what: Callable[[], bool], seconds: float, name: str, pause: float = 0.01) -> float:
    """Wait for something to become true; return how many seconds it took.

    Raises NotMeasuredError after the limit.
    """
    began = time.perf_counter()
    while not what():
        if time.perf_counter() - began > seconds:
            raise NotMeasuredError(f"{name}: not within {seconds:.0f} s")
        time.sleep(pause)
    return time.perf_counter() - began
