"""What a service manager is told of the daemon: ready, what it waits for, alive.

In here: when. Not in here: how (edges.supervisor).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from watchword.edges import supervisor

_LOOKED_AT: Final = "Packets are looked at"
_MOST: Final = 5  # names in one line


class Supervision:
    """From the moment at which packets are looked at."""

    def __init__(self) -> None:
        self._beats: asyncio.Task[None] | None = None
        self._awaited: tuple[str, ...] = ()
        self._told: str | None = None

    def awaiting(self, what: Sequence[str]) -> None:
        """Packets are to be looked at here, too, and cannot be yet; with nothing: all are."""
        self._awaited = tuple(what)
        if self._told is not None and self._told != (status := _status(self._awaited)):
            self._told = status
            supervisor.notify(f"STATUS={status}")

    def ready(self) -> None:
        """Sources are open and the firewall is in place. Called on the loop; from here on it is
        the loop's turning that the watchdog hears of.

        An interface that is still to come does not hold this up: the unit stands before the
        network, so that whoever waited for one could hang the boot. The status says so.
        """
        self._told = _status(self._awaited)
        supervisor.notify(f"READY=1\nSTATUS={self._told}")
        if seconds := supervisor.watchdog():
            self._beats = beat(seconds / 3, lambda: supervisor.notify("WATCHDOG=1"))


def _status(awaited: Sequence[str]) -> str:
    """One line, whatever the names have in them."""
    if not awaited:
        return _LOOKED_AT
    more = len(awaited) - _MOST
    names = ", ".join(awaited[:_MOST]) + (f" and {more} more" if more > 0 else "")
    shown = "".join(each if each.isprintable() else "?" for each in names)
    return f"Waits for {shown}: no packets from there yet"


def beat(seconds: float, tell: Callable[[], None]) -> asyncio.Task[None]:
    """Have something told again and again, as long as the loop turns and the task is kept."""

    async def work() -> None:
        while True:
            tell()
            await asyncio.sleep(seconds)

    return asyncio.get_running_loop().create_task(work())
