"""How stores speak to the database: by a thread of its own, or here and now where that is short.

In here: the thread, its one channel for all stores, deleting many rows without keeping others
waiting.
Not in here: the connection (database), what is stored (sqlite, journal).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from watchword.edges.replay.database import Answer, Channel, OccupiedError
from watchword.errors import HostError

CHUNK = 1000  # rows deleted in one go: some 5 ms, and a claim may come in between


class Worker:
    """The thread that speaks to the database, so that the loop does not wait for a busy disk."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    def run_now(self, work: Callable[[], Answer]) -> Answer:
        """Run work in the thread and wait for it here: at start only."""
        return self._thread.submit(work).result()

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Run work in the thread, in the order of the calls. Raises HostError after ``close``."""
        try:
            running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError as error:
            raise HostError("the store was closed") from error
        return await running

    def close(self) -> None:
        """Take no more work; what was given before is still done."""
        self._thread.shutdown(wait=False)


class Session:
    """The channel in the worker's thread: what a store speaks through.

    All sessions share one connection: with two, each write through one of them
    would empty the page cache of the other.
    """

    def __init__(self, worker: Worker, channel: Channel, *, durable: bool) -> None:
        self._worker = worker
        self._channel = channel
        self._durable = durable
        self._closed = False

    async def transaction(
        self,
        work: Callable[[sqlite3.Connection], Answer],
        *,
        lazily: bool = False,
        briefly: bool = False,
    ) -> Answer:
        """Have work done in the worker's thread.

        Args:
            work: What to do, whole or not at all.
            lazily: Even a durable session need not wait for the disk this time.
            briefly: There is so little to do that it is done here and now, if
                nobody else is writing: two changes of thread cost more than the
                disk does. The loop stands still for that long.
        """
        if self._closed:
            raise HostError("the store was closed")
        durable = self._durable and not lazily
        if briefly:
            with suppress(OccupiedError):
                return self._channel.at_once(work, durable)
        return await self._worker.run(lambda: self._channel.transaction(work, durable))

    async def delete(self, statement: str, before: float, first: str | None = None) -> int:
        """Repeat a deletion of (before, at most so many rows) until nothing is left to delete.

        ``first`` is a statement about the same rows, for the same transaction.
        Each round is a transaction of its own, and others get their turn in
        between. None waits for the disk: what power loss brings back is
        deleted again.
        """

        def some(db: sqlite3.Connection) -> int:
            if first is not None:
                db.execute(first, (before, CHUNK))
            return db.execute(statement, (before, CHUNK)).rowcount

        total = 0
        while True:
            gone = await self.transaction(some, lazily=True)
            total += gone
            if gone < CHUNK:
                return total

    async def aclose(self) -> None:
        """Take no more work; the channel stays open for others."""
        self._closed = True
