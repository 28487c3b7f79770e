"""Keeps the firewall at what the ledger says.

In here: making a change, finding the way back when the firewall turns out to be another than was
thought, and what it alone knows. One lock: one thing at a time.
Not in here: why anything changes (enforcer), when the firewall is looked at (keeper).

Whatever goes wrong, the way back is the same: read back what it has, work out the difference,
apply it. What may start programs is done by a thread: a program that hangs must hold up neither
packets nor a supervisor's watchdog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from watchword.errors import HostError
from watchword.grant.ledger import Ledger
from watchword.model.daemon_events import HostTrouble
from watchword.model.doors import KernelOpening
from watchword.model.openings import ChangeSet, Feature, Grant, Hole, Tag
from watchword.model.outcomes import Restored
from watchword.ports import (
    CountsConnections,
    FirewallBackend,
    FollowsKnocks,
    KeepsNoTags,
    Reporter,
    UnwarrantedError,
    WorksElsewhere,
)
from watchword.service.daemon.whole import aside, whole

_T = TypeVar("_T")
_MANY = 64  # openings: two milliseconds, twenty times what a change of thread costs
_CHANGED = "other hands had changed the firewall"


class Alignment:
    """A firewall, and the ledger that it follows."""

    def __init__(self, firewall: FirewallBackend, reporter: Reporter) -> None:
        self.ledger = Ledger()
        self.firewall = firewall
        self.in_doubt = False
        """True: the firewall may not have what the ledger says."""
        self.stirred = asyncio.Event()
        """Set when the keeper has to look again: an earlier end, or doubt."""
        self.changes = 0
        """Counts what was done to the firewall."""
        self._reporter = reporter
        self._lock = asyncio.Lock()

    def check_cut(self) -> None:
        """Raises HostError: this firewall ends no connections."""
        self.firewall.cut(())

    async def held(self) -> frozenset[Tag]:
        """The openings that the firewall really has now. Raises HostError."""
        async with self._lock:
            return await self._done(self.firewall.installed)

    async def knocked(self) -> Sequence[KernelOpening]:
        """Whom the kernel let in by itself, and no grant stands for. Raises HostError."""
        async with self._lock:
            firewall = self.firewall
            if not isinstance(firewall, FollowsKnocks):
                return ()
            return await self._done(firewall.knocked)

    async def settle(self, taken: Sequence[KernelOpening]) -> None:
        """There are grants for these by now, or there will be none. Raises HostError."""
        async with self._lock:
            if taken and isinstance(self.firewall, FollowsKnocks):
                await self._done(partial(self.firewall.settle, taken))

    async def rest(self) -> None:
        """Have the kernel follow no knocks any more. What it refuses is told."""
        async with self._lock:
            if isinstance(self.firewall, FollowsKnocks):
                try:
                    await aside(self.firewall.rest)
                except HostError as error:
                    self._doubt(error)

    async def unused(self, grants: Iterable[Grant]) -> Mapping[Hole, int]:
        """How many tickets of these nobody has taken yet, if somebody counts. Raises HostError."""
        holes = [hole for grant in grants for hole in grant.holes if hole.ticket > 0]
        firewall = self.firewall
        if not holes or not isinstance(firewall, CountsConnections):
            return {}
        async with self._lock:
            return await self._done(partial(firewall.unused, holes))

    async def features(self, firewall: FirewallBackend) -> frozenset[Feature]:
        """What a backend can do on this machine, this one or another. Raises HostError."""
        async with self._lock:
            return await aside(firewall.probe)

    @whole
    async def heal(self, *, thoroughly: bool = False) -> None:
        """Bring the firewall back into step if it is not. Reports what could not be done.

        ``thoroughly``: let it clean up as well, even if nothing is wrong.
        """
        async with self._lock:
            try:
                doubted = self.in_doubt
                if not doubted and await self._done(self.firewall.intact):
                    if thoroughly:
                        await aside(self.firewall.prepare)
                    return
                await self._realign()
            except HostError as error:
                self._doubt(error)
                return
        why = "the firewall works again" if doubted else _CHANGED
        self._reporter.report(Restored(len(self.ledger), why))

    async def _apply(self) -> None:
        """Make the change; if the firewall is not what we thought, start from what it is."""
        self.changes += 1
        try:
            await self._carried_out(self.ledger.change())
        except UnwarrantedError:  # nothing is wrong with the firewall
            raise
        except HostError:
            await self._realign()
            self._reporter.report(Restored(len(self.ledger), _CHANGED))
        else:
            self.ledger.settled()

    async def _realign(self) -> int:
        """Start from what the firewall has; return how many openings had to go."""
        self.changes += 1
        await aside(self.firewall.prepare)
        change = self.ledger.full_change(await self._done(self._installed))
        await self._carried_out(change)
        self.ledger.settled()
        self.in_doubt = False
        return len(change.remove)

    async def _carried_out(self, change: ChangeSet) -> None:
        """Many openings take a while: if another process is at them, packets go on being read."""
        work = partial(self.firewall.apply, change)
        many = len(change.add) + len(change.remove) >= _MANY
        if many and isinstance(self.firewall, WorksElsewhere):
            await aside(work)
        else:
            await self._done(work)

    async def _done(self, work: Callable[[], _T]) -> _T:
        """Here what answers at once, in another thread what starts programs."""
        return await aside(work) if self.firewall.slow else work()

    def _installed(self) -> frozenset[Tag]:
        if isinstance(self.firewall, KeepsNoTags):
            return self.firewall.recognise(self.ledger.openings())
        return self.firewall.installed()

    def _doubt(self, error: HostError) -> None:
        self.in_doubt = True
        self.stirred.set()
        self._reporter.report(HostTrouble.of("firewall", error))
