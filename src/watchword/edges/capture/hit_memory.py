"""Hits that a test, or another part of the program, hands in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from watchword.model.filters import Filter
from watchword.model.hits import Hit
from watchword.ports import HitSource, Interest


class MemoryHits:
    """Yields what it is fed, batch by batch; ends when it is closed."""

    name = "memory"

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Sequence[tuple[float, Hit]] | None] = asyncio.Queue()
        self.wanted: Filter | None = None
        """What was asked for last."""

    def feed(self, *hits: Hit, at: float = 0.0) -> None:
        """``at``: when they came, steady seconds."""
        if hits:
            self._queue.put_nowait([(at, hit) for hit in hits])

    async def batches(self) -> AsyncIterator[Sequence[tuple[float, Hit]]]:
        while (batch := await self._queue.get()) is not None:
            yield batch

    def hear(self, wanted: Filter | None) -> None:
        self.wanted = wanted

    def narrow(self, interest: Interest) -> None:
        """That is about packets with a payload."""

    @property
    def awaited(self) -> tuple[str, ...]:
        return ()

    def dropped(self) -> Mapping[str, int]:
        return {}

    async def aclose(self) -> None:
        self._queue.put_nowait(None)


_: type[HitSource] = MemoryHits
