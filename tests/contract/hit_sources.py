"""What every source of hits keeps."""

from __future__ import annotations

import asyncio

from tests.contract.sources import BatchesContract, collect
from tests.old_knocks import UDP
from watchword.model.filters import Direction, PortIs
from watchword.model.hits import Hit
from watchword.ports import HitSource

PORTS = PortIs(7000, 7999, frozenset({UDP}), direction=Direction.DESTINATION)


class HitSourceContract(BatchesContract):
    """Subclasses say how a source is made (inside a running loop), fed with datagrams to these
    ports, and which time it is."""

    def make(self) -> HitSource:
        raise NotImplementedError

    def feed(self, source: HitSource, port: int) -> None:
        raise NotImplementedError

    def now(self) -> float:
        """Steady seconds."""
        raise NotImplementedError

    def test_what_is_hit_is_yielded_in_order_with_its_time_and_no_batch_is_empty(self) -> None:
        ports = list(range(7000, 7020))

        async def scene() -> list[list[tuple[float, Hit]]]:
            source = self.make()
            source.hear(PORTS)
            before = self.now()
            for port in ports:
                self.feed(source, port)
            found = await asyncio.wait_for(collect(source, len(ports)), 60)
            assert all(before - 0.5 <= at <= self.now() for batch in found for at, _ in batch)
            await source.aclose()
            return found

        batches = asyncio.run(scene())
        assert all(batches)
        hits = [hit for batch in batches for _, hit in batch]
        assert [hit.port for hit in hits] == ports
        assert {hit.protocol for hit in hits} == {UDP}

    def test_nothing_is_awaited_while_it_can_be_heard(self) -> None:
        async def scene() -> tuple[str, ...]:
            source = self.make()
            awaited = source.awaited
            await source.aclose()
            return awaited

        assert asyncio.run(scene()) == ()
