"""What was opened and what has ended is written down, also where that takes more than one try."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tests.unit.test_recent import grant
from watchword.edges.clock import FakeClock
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.service.daemon import books as module
from watchword.service.daemon.books import Books


class Disk:
    """A journal on a disk that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.said: list[str] = []
        self.tries = 0
        self.freed = asyncio.Event()

    def _write(self, text: str) -> None:
        self.tries += 1
        if self.full:
            raise HostError("the disk is full", hint="make room")
        self.said.append(text)
        self.freed.set()

    async def granted(self, grants: Sequence[Grant]) -> None:
        self._write(f"{len(grants)} granted")

    async def ended(self, endings: Sequence[tuple[str, Ending]], at: float) -> None:
        self._write(f"{len(endings)} ended")


class Scene:
    def __init__(self) -> None:
        self.reporter = MemoryReporter()
        self.disk = Disk()
        journal: Any = self.disk
        self.books = Books(journal, self.reporter, FakeClock())

    def revoked(self) -> None:
        self.books.ended([(grant(), Ending.REVOKED)])

    @property
    def troubles(self) -> int:
        return sum(isinstance(each, HostTrouble) for each in self.reporter.events)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        house = Scene()
        await asyncio.wait_for(scene(house), 60)
        await house.books.close()

    asyncio.run(run())


def test_an_end_that_could_not_be_written_is_tried_again_until_it_is() -> None:
    async def scene(house: Scene) -> None:
        house.disk.full = True
        house.revoked()
        await house.books.written()
        while house.disk.tries < 4:
            await asyncio.sleep(0.01)
        assert house.troubles == 1
        house.disk.full = False
        await house.disk.freed.wait()
        assert house.disk.said == ["1 ended"]

    play(scene)


def test_what_waits_is_written_in_its_order_before_what_comes_later() -> None:
    async def scene(house: Scene) -> None:
        house.disk.full = True
        house.books.granted([grant(), grant()])
        house.revoked()
        await house.books.written()
        house.disk.full = False
        house.books.granted([grant(), grant(), grant()])
        await house.books.written()
        assert house.disk.said == ["2 granted", "1 ended", "3 granted"]
        assert house.troubles == 2

    play(scene)


def test_at_the_end_it_is_tried_once_more_and_then_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE", 60.0)

    async def scene(house: Scene) -> None:
        house.disk.full = True
        house.revoked()
        await house.books.written()
        await house.books.close()
        assert (house.disk.tries, house.troubles) == (2, 1)
        house.disk.full = False
        await house.books.close()
        assert house.disk.said == ["1 ended"]

    play(scene)


def test_only_so_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)

    async def scene(house: Scene) -> None:
        house.disk.full = True
        for _ in range(10):
            house.revoked()
        await house.books.written()
        assert house.troubles == 10
        house.disk.full = False
        await house.books.close()
        assert len(house.disk.said) == 3

    play(scene)
