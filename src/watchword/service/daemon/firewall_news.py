"""What a firewall has to tell by itself, on its way into the log.

In here: the way there from whichever thread it works in. Not in here: the words (dialects).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeAlias

from watchword.model.daemon_events import ProgramRan, SlippedIn
from watchword.ports import Reporter

News: TypeAlias = ProgramRan | SlippedIn
Told: TypeAlias = Callable[[News], None]
"""Hears of the programs that a firewall runs, and whom it cut off, in whichever thread."""


def nobody(_: News) -> None:
    """Hears it and forgets it."""


def reporting(reporter: Reporter) -> Told:
    """Reports it in the event loop that runs now."""
    loop = asyncio.get_running_loop()

    def told(event: News) -> None:
        with contextlib.suppress(RuntimeError):  # the daemon has ended
            loop.call_soon_threadsafe(reporter.report, event)

    return told
