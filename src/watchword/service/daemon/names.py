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
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

from watchword.edges.resolve import SystemNames
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.ports import HostNames

AT_ONCE: Final = 16
SECONDS: Final = 5.0
_MOST: Final = 32  # addresses of one host that are looked at
_Addresses: TypeAlias = tuple[Address, ...]
Answered: TypeAlias = Callable[[_Addresses], None]
"""Told the addresses; none: there are none, or nobody could say."""


class Names:
    """Every question under way, across reloads."""

    def __init__(self, resolver: HostNames | None = None, *, seconds: float = SECONDS) -> None:
        self._resolver = resolver or SystemNames()
        self._seconds = seconds
        self._away = 0
        """Threads that have not come back."""
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, host: str, answered: Answered) -> None:
        """Have a host looked up, and tell. Does not wait."""
        task = asyncio.get_running_loop().create_task(self._ask(host, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def answered(self) -> None:
        """Wait until every question of by now has had its answer."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _ask(self, host: str, answered: Answered) -> None:
        found: _Addresses = ()
        if self._away < AT_ONCE:
            with contextlib.suppress(TimeoutError):
                found = await asyncio.wait_for(self._sent_away(host), self._seconds)
        answered(found)

    def _sent_away(self, host: str) -> asyncio.Future[_Addresses]:
        """The answer of a thread, which nothing waits for at the end: it may hang for long."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Addresses] = loop.create_future()

        def back(found: _Addresses) -> None:
            self._away -= 1
            if not answer.done():
                answer.set_result(found)

        def look_up() -> None:
            found: _Addresses = ()
            with contextlib.suppress(HostError):
                found = tuple(dict.fromkeys(self._resolver.addresses(host)))[:_MOST]
            with contextlib.suppress(RuntimeError):  # the loop is closed, nobody is left
                loop.call_soon_threadsafe(back, found)

        self._away += 1
        threading.Thread(target=look_up, name="names", daemon=True).start()
        return answer
