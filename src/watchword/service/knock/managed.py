"""Doors that open services in the firewall: grants like those of fwknopd.

In here: knockd's own ledger and firewall, the loops that end grants and keep the
firewall as it should be, what is told of it in knockd's log.
Not in here: from an opened door to a grant (door_grants), changing the firewall
(service.daemon.enforcer), commands (runs).

A knock that completes a sequence stands where an authentic packet stands
otherwise; the rest is the same engine: the same ledger, journal and backends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchword.edges.capture.door_log import DoorLog, joined
from watchword.edges.firewall.nft.one_door import group
from watchword.edges.replay.sqlite import SqliteStore
from watchword.model.daemon_events import HostTrouble
from watchword.model.door_events import (
    DoorEvent,
    Remark,
    ServicesClosed,
    Trouble,
)
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import Ending, Feature
from watchword.model.outcomes import Disowned, Event, GrantEnded, Restored
from watchword.model.settings import Settings
from watchword.ports import Clock, FirewallBackend, Reporter
from watchword.service.daemon.assembly import firewall_for, place_of, way_of
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.keeper import Keeper
from watchword.service.knock.door_grants import DoorGrants

if TYPE_CHECKING:
    from watchword.service.knock.kernel import KernelDoors

_FAMILIES = {4: Feature.IPV4, 6: Feature.IPV6}


class _Told:
    """The engine's events in knockd's log."""

    def __init__(self, tell: Callable[[DoorEvent], None]) -> None:
        self._tell = tell

    def report(self, event: Event) -> None:
        match event:
            case GrantEnded(grant, ending, _):
                if ending is not Ending.RENEWED:
                    self._tell(ServicesClosed(grant, ending))
            case HostTrouble(part, message, hint):
                self._tell(Trouble(f"{part}: {message}", hint))
            case Restored(grants, why):
                self._tell(Remark(f"{grants} grants go on: {why}"))
            case Disowned(openings):
                self._tell(Remark(f"closed {openings} openings that no journal knows"))

    def close(self) -> None:
        """Nothing is held."""


_: type[Reporter] = _Told


class ManagedDoors:
    """See the module."""

    def __init__(self, store: SqliteStore, tell: Callable[[DoorEvent], None], clock: Clock) -> None:
        self._store = store
        self._tell = tell
        self._clock = clock
        self._reporter = _Told(tell)
        self._enforcer: Enforcer | None = None
        self._settings: FirewallSettings | None = None
        self.grants: DoorGrants | None = None
        """What opens and closes; None: the firewall is not touched yet."""
        self._kernel: KernelDoors | None = None
        self._following: asyncio.Task[None] | None = None
        self._heard = 0
        """The group of its log."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def take_up(self, settings: FirewallSettings) -> None:
        """Hide what the doors open, and take up grants of an earlier run; also after a reload.

        Raises HostError: the firewall cannot be used, and is as it was.
        """
        if settings == self._settings:
            return
        firewall = firewall_for(Settings(firewall=settings), self._clock)
        features = firewall.probe()
        if self._enforcer is None:
            await self._start(firewall)
        else:
            old = self._settings
            elsewhere = old is not None and place_of(old) != place_of(settings)
            await self._enforcer.replace_firewall(firewall, elsewhere=elsewhere)
        self._listen_to_the_kernel(settings)
        self._settings = settings
        if self.grants is not None:
            self.grants.families = [v for v, feature in _FAMILIES.items() if feature in features]
        services = ", ".join(map(str, settings.guarded))
        hides = settings.attach is Attach.GUARD and not settings.in_iptables
        what = "hidden until a door opens" if hides else "opened by doors"
        self._tell(Remark(f"{way_of(settings)}: {services} {what}"))

    async def _start(self, firewall: FirewallBackend) -> None:
        firewall.prepare()
        enforcer = Enforcer(firewall, self._store.journal, self._reporter, self._clock)
        await enforcer.resume(flush=False)
        self._enforcer = enforcer
        self.grants = DoorGrants(enforcer, self._tell, self._clock)
        keeper = Keeper(
            enforcer,
            self._store.keys,
            self._store.journal,
            reporter=self._reporter,
            clock=self._clock,
        )
        loop = asyncio.get_running_loop()
        for work in (
            keeper.end_grants(), keeper.watch_firewall(), keeper.look_round(), keeper.forget(),
        ):  # fmt: skip
            self._tasks.add(loop.create_task(work))

    def _listen_to_the_kernel(self, settings: FirewallSettings) -> None:
        """Hear of the doors that it follows. Raises HostError: that cannot be."""
        if self._kernel is not None and self._heard != group(settings):
            self._hear_the_kernel_no_more(self._kernel)
        if self._kernel is None and settings.doors and self._enforcer and self.grants:
            from watchword.service.knock.kernel import KernelDoors  # noqa: PLC0415  (for few)

            log = DoorLog(joined(group(settings)))
            self._kernel = KernelDoors(
                log, self._enforcer, self.grants, self._tell, clock=self._clock
            )
            self._heard = group(settings)
            self._following = asyncio.get_running_loop().create_task(self._kernel.follow())
            self._tasks.add(self._following)
        if self._kernel is not None:
            self._kernel.take_up(settings.doors)

    def _hear_the_kernel_no_more(self, kernel: KernelDoors) -> None:
        kernel.close()
        self._kernel = None
        if self._following is not None:
            self._tasks.discard(self._following)
            self._following.cancel()

    @property
    def loops(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that run until the end; one that ends before failed."""
        return frozenset(self._tasks)

    @property
    def enforcer(self) -> Enforcer | None:
        """What knows every grant; None: the firewall is not touched yet."""
        return self._enforcer

    async def aclose(self) -> None:
        """Leave everything as it is: grants go on to their end, what is hidden stays hidden."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kernel is not None:
            await self._kernel.take_over()
            self._kernel.close()
        if self._enforcer is not None:
            if self._kernel is not None:
                await self._enforcer.rest()
            await self._enforcer.close_books()
