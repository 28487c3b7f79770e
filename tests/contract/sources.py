"""What every source of packets keeps, and of that what every source keeps."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.sealing import sealed
from watchword.model.packets import Packet
from watchword.ports import HitSource, Interest, PacketSource


async def collect(source: PacketSource | HitSource, count: int) -> list[list[Any]]:
    batches: list[list[Any]] = []
    async for batch in source.batches():
        batches.append(list(batch))
        if sum(map(len, batches)) >= count:
            break
    return batches


class BatchesContract:
    """What there is of both kinds of source. Subclasses say how one is made, in a running loop."""

    def make(self) -> PacketSource | HitSource:
        raise NotImplementedError

    def test_it_has_a_name(self) -> None:
        async def scene() -> str:
            source = self.make()
            await source.aclose()
            return source.name

        assert asyncio.run(scene())

    def test_closing_ends_the_batches_and_may_be_done_again(self) -> None:
        async def scene() -> int:
            source = self.make()
            listening = asyncio.ensure_future(collect(source, 1))
            await asyncio.sleep(0.01)
            await source.aclose()
            batches = await asyncio.wait_for(listening, 60)
            await source.aclose()
            return len(batches)

        assert asyncio.run(scene()) == 0


class PacketSourceContract(BatchesContract):
    """Subclasses say how a source is made (inside a running loop) and fed."""

    def make(self) -> PacketSource:
        raise NotImplementedError

    def feed(self, source: PacketSource, payload: bytes) -> None:
        raise NotImplementedError

    def test_what_arrives_is_yielded_in_order_and_no_batch_is_empty(self) -> None:
        payloads = [sealed() for _ in range(20)]

        async def scene() -> list[list[Packet]]:
            source = self.make()
            for payload in payloads:
                self.feed(source, payload)
            found = await asyncio.wait_for(collect(source, len(payloads)), 60)
            await source.aclose()
            return found

        batches = asyncio.run(scene())
        assert all(batches)
        assert [packet.payload for batch in batches for packet in batch] == payloads

    def test_narrowing_never_loses_what_is_of_interest(self) -> None:
        payload = sealed()

        async def scene() -> list[list[Packet]]:
            source = self.make()
            source.narrow(Interest(140, 1500, b"89+/", base64=True))
            self.feed(source, payload)
            found = await asyncio.wait_for(collect(source, 1), 60)
            await source.aclose()
            return found

        [[packet]] = asyncio.run(scene())
        assert packet.payload == payload
