"""Commands of doors: what closes gets its turn, and is tried until it succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from tests.values import NOW
from watchword.dialects.knockd import conf
from watchword.edges.clock import FakeClock
from watchword.edges.replay.memory import MemoryJournal
from watchword.model.addresses import canonical
from watchword.model.door_events import CommandFailed, DoorEvent, Trouble
from watchword.model.doors import RunCommands
from watchword.service.knock import runs

DOOR = """[door]
sequence = 7000,8000
start_command = open %IP%
stop_command = close %IP%
cmd_timeout = 0
"""
CALLER = canonical("198.51.100.2")


class House:
    """Doors, and programs that succeed as they are told."""

    def __init__(self, text: str = DOOR, pauses: Sequence[float] = (0.01, 0.01)) -> None:
        self.told: list[DoorEvent] = []
        self.ran: list[str] = []
        self.failures = 0
        """How often what closes fails from now on."""
        self.slow = asyncio.Event()
        self.opens_slowly = False
        self.journal = MemoryJournal()
        self.clock = FakeClock(*NOW)
        self.runs = runs.Runs(self.told.append, self.clock, self._run, pauses)
        self.runs.journal = self.journal
        [self.door] = conf.read(text, "knockd.conf").doors

    async def _run(self, errand: runs.Errand) -> int:
        argv = errand.argv
        self.ran.append(argv[0])
        if argv[0] == "open" and self.opens_slowly:
            await self.slow.wait()
        if argv[0] == "close" and self.failures:
            self.failures -= 1
            return 1
        return 0

    def open(self, who: str = str(CALLER)) -> None:
        assert isinstance(self.door.action, RunCommands)
        self.runs.open(self.door, self.door.action, canonical(who))

    async def unfinished(self) -> int:
        return len(await self.journal.unfinished(self.clock.now()))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.002)


def test_what_could_not_be_closed_is_tried_again_until_it_is() -> None:
    async def scene() -> None:
        house = House()
        house.failures = 2
        house.open()
        await until(lambda: len(house.ran) == 4 and not house.runs.waiting)
        assert house.ran == ["open", "close", "close", "close"]
        assert len([each for each in house.told if isinstance(each, CommandFailed)]) == 2
        assert await house.unfinished() == 0
        assert len(house.journal.history) == 1

    asyncio.run(scene())


def test_what_is_never_closed_is_told_and_kept_for_the_next_start() -> None:
    async def scene() -> None:
        house = House()
        house.failures = 3
        house.open()
        await until(lambda: any(isinstance(each, Trouble) for each in house.told))
        assert "door: not closed for 198.51.100.2" in str(house.told[-1])
        assert house.runs.waiting == 0
        kept = await house.journal.unfinished(house.clock.now())
        assert [each.who for each in kept] == [CALLER]
        house.runs.resume(kept)
        await until(lambda: not house.runs.waiting)
        await until(lambda: len(house.journal.history) == 1)
        assert await house.unfinished() == 0

    asyncio.run(scene())


def test_a_door_that_is_open_again_is_not_closed_for_the_failure_of_before() -> None:
    async def scene() -> None:
        house = House(DOOR.replace("cmd_timeout = 0", "cmd_timeout = 60"), pauses=(0.01,))
        house.failures = 1
        house.open()
        await until(lambda: house.runs.waiting == 1)
        house.runs.end(lambda grant: True)
        await until(lambda: house.ran == ["open", "close"])
        house.open()
        await until(lambda: house.runs.waiting == 2)
        await asyncio.sleep(0.1)  # ten times the pause
        assert house.ran == ["open", "close", "open"]
        assert await house.runs.finish(5, at_once=True) == 0
        assert house.ran == ["open", "close", "open", "close", "close"]

    asyncio.run(scene())


def test_the_end_does_not_wait_for_what_fails() -> None:
    async def scene() -> None:
        house = House(pauses=(600.0,))
        house.failures = 100
        house.open()
        await until(lambda: len(house.ran) == 2)
        async with asyncio.timeout(60):
            assert await house.runs.finish(3600, at_once=False) == 1
        assert "1 stop commands wait for their time" in str(house.told[-1])
        assert await house.unfinished() == 1

        house = House(pauses=(600.0, 600.0))
        house.failures = 100
        house.open()
        await until(lambda: len(house.ran) == 2)
        async with asyncio.timeout(60):
            assert await house.runs.finish(3600, at_once=True) == 1
        assert house.ran == ["open", "close", "close"]  # once more, as it ends

    asyncio.run(scene())


def test_what_is_still_being_opened_at_the_end_is_closed_if_all_is_to_be() -> None:
    async def scene() -> None:
        house = House(DOOR.replace("cmd_timeout = 0", "cmd_timeout = 60"))
        house.opens_slowly = True
        house.open()
        await until(lambda: house.ran == ["open"])
        ending = asyncio.ensure_future(house.runs.finish(9.0, at_once=True))
        await asyncio.sleep(0.01)
        house.slow.set()
        async with asyncio.timeout(60):
            assert await ending == 0
        assert house.ran == ["open", "close"]
        assert await house.unfinished() == 0

    asyncio.run(scene())


def test_who_opens_slowly_and_a_lot_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 3)

    async def scene() -> None:
        house = House(DOOR.replace("cmd_timeout = 0", "cmd_timeout = 60"))
        house.open()
        await until(lambda: house.runs.waiting == 1)
        house.opens_slowly = True
        for number in range(10):
            house.open(f"203.0.113.{number}")
        await until(lambda: len(house.ran) == 4)
        house.runs.end(lambda grant: True)
        await until(lambda: "close" in house.ran)
        await house.runs.finish(0, at_once=True)

    asyncio.run(scene())
