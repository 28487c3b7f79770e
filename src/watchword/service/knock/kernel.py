"""Doors that the kernel follows: what it tells is logged, whom it let in becomes a grant.

In here: hearing the kernel, taking over what it opened into the ledger, looking for what was not
heard of. Not in here: the rules that follow knocks (edges.firewall.nft.doors), the lines' words
(dialects.knockd.voice).

The kernel opens by itself, for the time of the door. The grant that is made of it ends at the same
time, and takes the place of the kernel's own element: from then on it is a grant like any other.
Who is let in is read from the kernel's sets and never from its log, which may have lost lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from watchword.edges.capture.door_log import DoorLog
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, SesameOpened, Told, Trouble
from watchword.model.doors import Door, KernelOpening, KernelStep, OpenServices
from watchword.ports import Clock
from watchword.recognise.kernel_doors import KernelAttempts
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.knock.door_grants import DoorGrants, Taken

EVERY: Final = 10.0
"""Seconds between two looks for whom the kernel let in without our hearing of it."""
BATCH: Final = 256
"""Grants that are made at once."""


class KernelDoors:
    """Those of one table."""

    def __init__(
        self,
        log: DoorLog,
        enforcer: Enforcer,
        grants: DoorGrants,
        tell: Callable[[DoorEvent], None],
        *,
        clock: Clock,
        barred: Callable[[Address], str] = lambda who: "",
    ) -> None:
        """``barred``: what speaks against letting somebody in; empty: nothing does."""
        self.opened = 0
        """How often somebody was let in."""
        self._log = log
        self._enforcer = enforcer
        self._grants = grants
        self._tell = tell
        self._clock = clock
        self._barred = barred
        self._doors: dict[int, Door] = {}
        self._attempts = KernelAttempts(())
        self._begun = asyncio.Event()
        """Set when there is an attempt whose end has to be waited for."""

    def take_up(self, doors: Sequence[Door]) -> None:
        """Go by these doors from now on."""
        self._doors = {each.number: each for each in doors}
        self._attempts = KernelAttempts(doors)

    async def follow(self) -> None:
        """Hear the kernel, until cancelled."""
        await self.take_over()  # whom it let in while nobody heard it
        looking = asyncio.get_running_loop().create_task(self._look_round())
        try:
            async for steps in self._log.batches():
                opened = [each for each in steps if self._heed(each)]
                if opened or not steps:
                    await self.take_over()
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    def _heed(self, step: KernelStep) -> bool:
        """Whether somebody was let in."""
        progress = self._attempts.heed(step, self._clock.now().steady)
        if progress is None:
            return False
        self._tell(Told(progress))
        if progress.stage == 1:
            self._begun.set()
        if progress.opened:
            self._tell(SesameOpened(progress.door, progress.source))
        return progress.opened

    async def _look_round(self) -> None:
        """Tell of each attempt when its time is up, and now and then look for who is in."""
        looked = self._clock.now().steady
        while True:
            now = self._clock.now().steady
            for progress in self._attempts.expire(now):
                self._tell(Told(progress))
            if now - looked >= EVERY:
                looked = now
                await self.take_over()
            deadline = self._attempts.next_deadline()
            pause = EVERY if deadline is None else min(EVERY, max(0.01, deadline - now))
            self._begun.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._begun.wait()

    async def take_over(self) -> None:
        """Make grants of what the kernel has opened. What the machine refuses is told."""
        try:
            found = await self._enforcer.knocked()
            for at in range(0, len(found), BATCH):
                await self._take_over(found[at : at + BATCH])
        except HostError as error:
            self._tell(Trouble(f"doors of the kernel: {error}", error.hint))

    async def _take_over(self, found: Sequence[KernelOpening]) -> None:
        over = []
        for each in found:
            if why := self._barred(each.who):
                self._tell(Trouble(f"{each.name}: closed again: {why}"))
                over.append(each)
        taken = list(self._wanted([each for each in found if each not in over]))
        await self._grants.take_over([one for _, one in taken])
        self.opened += len(taken)
        await self._enforcer.settle([*over, *(each for each, _ in taken)])

    def _wanted(self, found: Sequence[KernelOpening]) -> Iterator[tuple[KernelOpening, Taken]]:
        for each in found:
            door = self._doors.get(each.door)
            if door is None or door.name != each.name:
                continue  # a reload is under way: the next look has the doors of then
            if isinstance(door.action, OpenServices):
                yield each, Taken(door, door.action, each.who, each.remaining)

    def close(self) -> None:
        """Hear nothing any more."""
        self._log.close()
