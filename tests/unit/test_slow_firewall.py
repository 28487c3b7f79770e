"""A firewall that takes its time, as one that starts programs: what goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.sealing import sealed
from tests.unit.test_gate import House, play
from tests.values import credential, packet
from watchword.edges.clock import FakeClock
from watchword.edges.firewall.memory import MemoryFirewall
from watchword.model.crypto import Secret
from watchword.model.openings import ChangeSet
from watchword.model.outcomes import GrantEnded, Judged
from watchword.service.daemon.whole import aside, whole

NOBODYS = credential(mac_key=Secret(b"what no stanza has to do with 32"))


class SlowFirewall(MemoryFirewall):
    """Each change waits until the test lets it."""

    slow = True

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.begun, self.go = threading.Event(), threading.Event()

    def apply(self, change: ChangeSet) -> None:
        self.begun.set()
        assert self.go.wait(60)
        super().apply(change)


@pytest.fixture
def firewall() -> SlowFirewall:
    return SlowFirewall(FakeClock())


def slow_house(firewall: SlowFirewall) -> House:
    house = House()
    firewall._clock = house.clock
    firewall.prepare()
    house.firewall = firewall
    house.start()
    return house


def verdicts(house: House) -> list[bool]:
    """Of each judged packet, whether it was granted."""
    return [each.grant is not None for each in house.reporter.events if isinstance(each, Judged)]


async def begun(firewall: SlowFirewall) -> None:
    assert await asyncio.to_thread(firewall.begun.wait, 60)


def test_while_a_change_is_made_other_packets_are_judged(firewall: SlowFirewall) -> None:
    async def scene(house: House) -> None:
        house.gate.receive([packet(sealed())])
        settling = asyncio.ensure_future(house.gate.settle())
        await begun(firewall)
        house.gate.receive([packet(sealed(sealed_with=NOBODYS))])
        assert verdicts(house) == [False]
        firewall.go.set()
        await settling
        assert verdicts(house) == [False, True]
        assert house.open == {"198.51.100.2 tcp/22"}

    play(scene, slow_house(firewall))


class Elsewhere(SlowFirewall):
    """Not slow, and the work of another process."""

    slow = False
    elsewhere = True

    def apply(self, change: ChangeSet) -> None:
        self.by = threading.current_thread()
        super().apply(change)


def test_while_another_process_opens_for_many_others_are_judged() -> None:
    firewall = Elsewhere(FakeClock())

    async def scene(house: House) -> None:
        house.gate.receive([packet(sealed(f"192.0.2.{number + 1},tcp/22")) for number in range(64)])
        settling = asyncio.ensure_future(house.gate.settle())
        await begun(firewall)
        house.gate.receive([packet(sealed(sealed_with=NOBODYS))])
        assert verdicts(house) == [False]
        firewall.go.set()
        await settling
        assert verdicts(house) == [False] + [True] * 64
        assert len(house.open) == 64
        assert firewall.by is not threading.main_thread()

    play(scene, slow_house(firewall))


def test_for_a_few_no_thread_is_changed() -> None:
    firewall = Elsewhere(FakeClock())

    async def scene(house: House) -> None:
        firewall.go.set()
        house.gate.receive([packet(sealed(f"192.0.2.{number + 1},tcp/22")) for number in range(63)])
        await house.gate.settle()
        assert len(house.open) == 63
        assert firewall.by is threading.main_thread()

    play(scene, slow_house(firewall))


def test_an_end_that_is_under_way_is_told_although_nobody_waits_for_it_any_more(
    firewall: SlowFirewall,
) -> None:
    """As when a reload or the end of the daemon cancels who looks after ends."""

    async def scene(house: House) -> None:
        firewall.go.set()
        await house.take(sealed())
        house.clock.advance(30)
        firewall.begun.clear()
        firewall.go.clear()
        ending = asyncio.ensure_future(house.enforcer.expire())
        await begun(firewall)
        ending.cancel()
        await asyncio.sleep(0)
        assert not ending.done()
        firewall.go.set()
        with pytest.raises(asyncio.CancelledError):
            await ending
        assert [each for each in house.reporter.events if isinstance(each, GrantEnded)]
        await house.enforcer.written()
        assert not await house.journal.unfinished(house.clock.now())

    play(scene, slow_house(firewall))


def test_what_fails_is_told_to_whoever_still_waits_and_to_nobody_else() -> None:
    @whole
    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    def broken() -> None:
        raise ValueError("no")

    async def scene() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, found: complaints.append(found))
        for make in (failing, lambda: aside(broken)):
            with pytest.raises(ValueError, match="no"):
                await make()
            task = asyncio.ensure_future(make())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert complaints == []

    asyncio.run(scene())
