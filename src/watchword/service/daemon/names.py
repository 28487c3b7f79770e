"""Asks for the addresses of hosts that callers name, beside the packets.

In here: how many questions at once, and how long an answer may take.
Not in here: whether a name is asked for at all, and what its addresses are worth (grant.leads);
asking (edges.resolve).

A resolver is somebody else's machine, and may be slow or hostile: a question that takes too long
has no answer, and what finds no room has none either. A thread that the system does not give
back goes on counting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from watchword.edges.resolve import SystemNames
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.ports import HostNames

AT_ONCE: Final = 16
SECONDS: Final = 5.0
_MOST: Final = 32  # addresses of one host that are looked at
Answered = Callable[[tuple[Address, ...]], None]
"""Told the addresses; none: there are none, or nobody could say."""


class Names:
    """Every question under way, across reloads."""

    def __init__(self, resolver: HostNames | None = None, *, seconds: float = SECONDS) -> None:
        self._resolver = resolver or SystemNames()
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names")
        self._asked: set[Future[tuple[Address, ...]]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, host: str, answered: Answered) -> None:
        """Have a host looked up, and tell. Does not wait."""
        self._asked = {each for each in self._asked if not each.done()}
        asked = None
        if len(self._asked) < AT_ONCE:
            asked = self._threads.submit(self._look_up, host)
            self._asked.add(asked)
        task = asyncio.get_running_loop().create_task(self._wait(asked, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def answered(self) -> None:
        """Wait until every question of by now has had its answer."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def close(self) -> None:
        """Ask nothing any more; a thread that hangs is left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _wait(self, asked: Future[tuple[Address, ...]] | None, answered: Answered) -> None:
        """``asked`` None: there was no room for the question."""
        found: tuple[Address, ...] = ()
        if asked is not None:
            with contextlib.suppress(TimeoutError, HostError):
                found = await asyncio.wait_for(asyncio.wrap_future(asked), self._seconds)
        answered(found)

    def _look_up(self, host: str) -> tuple[Address, ...]:
        return tuple(dict.fromkeys(self._resolver.addresses(host)))[:_MOST]
