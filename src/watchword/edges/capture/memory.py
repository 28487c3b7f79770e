"""Packets that a test, or another part of the program, hands in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from watchword.model.packets import Packet
from watchword.ports import Interest, PacketSource


class MemorySource:
    """Yields what it is fed, batch by batch; ends when it is closed."""

    name = "memory"

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Sequence[Packet] | None] = asyncio.Queue()

    def feed(self, *packets: Packet) -> None:
        if packets:
            self._queue.put_nowait(packets)

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        while (batch := await self._queue.get()) is not None:
            yield batch

    def narrow(self, interest: Interest) -> None:
        """There is no kernel here to ask."""

    def dropped(self) -> Mapping[str, int]:
        return {}

    async def aclose(self) -> None:
        self._queue.put_nowait(None)


_: type[PacketSource] = MemorySource
