"""Sees to it that grants end, and that the firewall stays as it should be.

In here: when to look - at the next end, when something stirred, when other
hands changed the firewall, and now and then all the same.
Not in here: what is done then (enforcer).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.ports import Clock, Journal, ReplayStore, Reporter
from watchword.service.daemon.enforcer import Enforcer

ROUND = 30.0  # seconds between two looks at the firewall: the net under the watcher
TIDY = 20  # rounds between two clean-ups of what the firewall keeps for single connections
AGAIN = 1.0  # seconds until the next try while the firewall is out of step
FORGET = 60.0  # seconds between two prunings of the replay store and the journal
HISTORY = 90 * 86_400.0  # seconds that the journal keeps grants which have ended


class Keeper:
    """Four loops, each of which runs until it is cancelled."""

    def __init__(
        self,
        enforcer: Enforcer,
        store: ReplayStore,
        journal: Journal,
        *,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._enforcer = enforcer
        self._store = store
        self._journal = journal
        self._reporter = reporter
        self._clock = clock

    async def end_grants(self) -> None:
        """Wake at each end, and when something stirs."""
        enforcer = self._enforcer
        while True:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await enforcer.stirred.wait()
            enforcer.stirred.clear()
            await enforcer.expire()
            if enforcer.in_doubt:
                await enforcer.heal()
                if enforcer.in_doubt:
                    await asyncio.sleep(AGAIN)

    def _pause(self) -> float | None:
        """Seconds until there is something to do; None: only when something stirs."""
        if self._enforcer.in_doubt:
            return 0.0
        deadline = self._enforcer.ledger.next_deadline()
        return None if deadline is None else max(0.0, deadline - self._clock.now().steady)

    async def watch_firewall(self) -> None:
        """Heal as soon as other hands may have changed what is ours."""
        async for _ in self._enforcer.firewall.disturbances():
            await self._enforcer.heal()

    async def look_round(self) -> None:
        """Now and then, whatever the watcher has heard or missed."""
        for turn in itertools.count(1):
            await asyncio.sleep(ROUND)
            await self._enforcer.heal(thoroughly=turn % TIDY == 0)

    async def forget(self) -> None:
        """Drop from the replay store what its own time stamp refuses by now, and old history."""
        while True:
            await asyncio.sleep(FORGET)
            now = self._clock.now().wall
            try:
                await self._store.forget(now)
                await self._journal.prune(now - HISTORY)
            except HostError as error:
                self._reporter.report(HostTrouble("replay store", str(error), error.hint))
