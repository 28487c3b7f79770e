"""What a service manager is told of the daemon: ready, alive.

In here: when. Not in here: how (edges.supervisor).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchword.edges import supervisor


class Supervision:
    """From the moment at which packets are looked at."""

    def __init__(self) -> None:
        self._beats: asyncio.Task[None] | None = None

    def ready(self) -> None:
        """Sources are open and the firewall is in place. Called on the loop; from here on it is
        the loop's turning that the watchdog hears of."""
        supervisor.notify("READY=1\nSTATUS=Packets are looked at")
        if seconds := supervisor.watchdog():
            self._beats = beat(seconds / 3, lambda: supervisor.notify("WATCHDOG=1"))


def beat(seconds: float, tell: Callable[[], None]) -> asyncio.Task[None]:
    """Have something told again and again, as long as the loop turns and the task is kept."""

    async def work() -> None:
        while True:
            tell()
            await asyncio.sleep(seconds)

    return asyncio.get_running_loop().create_task(work())
