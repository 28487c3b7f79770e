"""What a daemon does beside its packets, each under a name.

In here: a new task takes the place of an old one of its name; the first that
ends is heard of.
Not in here: which tasks there are (running), signals (daemon).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Tasks that run until they are cancelled, or end by themselves."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin; what runs under that name is cancelled."""
        if old := self._running.pop(name, None):
            old.cancel()
        self._running[name] = asyncio.get_running_loop().create_task(work, name=name)

    async def or_first_end(self, other: asyncio.Future[Any]) -> list[asyncio.Task[None]]:
        """Wait for ``other``, or for a task to end; the tasks that have ended, which are let go."""
        await asyncio.wait([other, *self._running.values()], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in self._running.values() if task.done()]
        self._running = {name: each for name, each in self._running.items() if each not in ended}
        return ended

    async def cancel(self) -> None:
        """Cancel all, and wait for their ends."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
