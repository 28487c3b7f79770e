"""Waking up when there is something to read, until a source is closed.

In here: waiting for descriptors, being closed while somebody waits.
Not in here: reading (file, queue).
"""

from __future__ import annotations

import asyncio
import contextlib


class Wakings:
    """One for a source. Made on any thread, used on the loop's."""

    def __init__(self) -> None:
        self.closed = False
        self._ready = asyncio.Event()
        self._watched: list[int] = []

    def watch(self, descriptor: int) -> None:
        """Wake whoever waits when there is something to read."""
        asyncio.get_running_loop().add_reader(descriptor, self._ready.set)
        self._watched.append(descriptor)

    def stir(self) -> None:
        """Wake whoever waits, or is next to wait."""
        self._ready.set()

    async def come(self) -> bool:
        """Wait; False: it was closed, and nothing is to be read any more."""
        await self._ready.wait()
        self._ready.clear()
        return not self.closed

    def close(self) -> None:
        """Let go of the descriptors, which may be closed then, and wake whoever waits."""
        self.closed = True
        with contextlib.suppress(RuntimeError):  # there is no loop any more
            for each in self._watched:
                asyncio.get_running_loop().remove_reader(each)
        self._watched.clear()
        self._ready.set()
