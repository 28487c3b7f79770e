"""Doors that open services in the firewall: grants like those of fwknopd.

In here: from an opened door to a grant, the loops that end grants and keep the
firewall as it should be, what is told of it in knockd's log.
Not in here: changing the firewall (service.daemon.enforcer), commands (runs).

A knock that completes a sequence stands where an authentic packet stands
otherwise; the rest is the same engine: the same ledger, journal and backends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchword.edges.randomness import key_bytes
from watchword.edges.replay.sqlite import SqliteStore
from watchword.errors import HostError
from watchword.grant.decide import Permit
from watchword.model.addresses import Address
from watchword.model.daemon_events import HostTrouble
from watchword.model.door_events import (
    DoorEvent,
    Remark,
    ServicesClosed,
    ServicesOpened,
    Trouble,
)
from watchword.model.doors import CloseServices, Door, OpenServices
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import Ending, Feature, Grant
from watchword.model.outcomes import Disowned, Event, GrantEnded, Restored
from watchword.model.packets import Packet
from watchword.model.requests import AccessWish, ReplayKey, Request, Sighting
from watchword.model.settings import Settings
from watchword.ports import Clock, FirewallBackend, Reporter
from watchword.service.daemon.assembly import firewall_for, place_of, way_of
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.keeper import Keeper

_DIGEST = 32  # bytes of a digest, made up: there is no packet to take one of
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
        self._features: frozenset[Feature] = frozenset()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take_up(self, settings: FirewallSettings) -> None:
        """Hide what the doors open, and take up grants of an earlier run; also after a reload.

        Raises HostError: the firewall cannot be used, and is as it was.
        """
        if settings == self._settings:
            return
        firewall = firewall_for(Settings(firewall=settings), self._clock)
        self._features = firewall.probe()
        if self._enforcer is None:
            await self._start(firewall)
        else:
            old = self._settings
            elsewhere = old is not None and place_of(old) != place_of(settings)
            await self._enforcer.replace_firewall(firewall, elsewhere=elsewhere)
        self._settings = settings
        services = ", ".join(map(str, settings.guarded))
        hides = settings.attach is Attach.GUARD and not settings.in_iptables
        what = "hidden until a door opens" if hides else "opened by doors"
        self._tell(Remark(f"{way_of(settings)}: {services} {what}"))

    async def _start(self, firewall: FirewallBackend) -> None:
        firewall.prepare()
        enforcer = Enforcer(firewall, self._store.journal, self._reporter, self._clock)
        await enforcer.resume(flush=False)
        self._enforcer = enforcer
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

    @property
    def loops(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that run until the end; one that ends before failed."""
        return frozenset(self._tasks)

    @property
    def enforcer(self) -> Enforcer | None:
        """What knows every grant; None: the firewall is not touched yet."""
        return self._enforcer

    async def open(self, door: Door, action: OpenServices, source: Address) -> None:
        """Let a caller in. What the machine refuses is told."""
        if self._enforcer is None or _FAMILIES[source.version] not in self._features:
            said = f"{door.name}: not opened for {source}: the firewall cannot do it"
            self._tell(Trouble(said, "see that nft(8) works, IPv6 included"))
            return
        try:
            [answer] = await self._enforcer.grant([self._permit(door, action, source)])
        except HostError as error:
            self._tell(Trouble(f"{door.name}: not opened for {source}: {error}", error.hint))
            return
        if isinstance(answer, Grant):  # what leads elsewhere is not made by doors
            self._tell(ServicesOpened(door.name, answer))

    async def close(self, door: Door, action: CloseServices, source: Address) -> None:
        """End what a caller was granted of some services. What the machine refuses is told."""
        if self._enforcer is None:
            return
        services = set(action.services)

        def wanted(grant: Grant) -> bool:
            return grant.who == source and not services.isdisjoint(grant.services)

        revoked = await self._enforcer.revoke(wanted, cut=False)
        if revoked.trouble is not None:
            self._tell(Trouble(f"{door.name}: {revoked.trouble}", revoked.trouble.hint))
        if not revoked.grants:
            self._tell(Remark(f"{source}: {door.name}: nothing was open"))

    def _permit(self, door: Door, action: OpenServices, source: Address) -> Permit:
        now = self._clock.now()
        digest = key_bytes(_DIGEST)
        first = door.sequence[-1]
        packet = Packet(b"", str(source), 0, "", first.port, first.proto.number)
        seen = Sighting(packet.protocol, packet.peer, 0, "", packet.local_port, now.wall)
        request = Request(
            stanza=door.number,
            packet=packet,
            user=door.name,
            sent_at=int(now.wall),
            version="knock",
            wish=AccessWish(action.services),
            allow=None,
            seconds=action.seconds,
            key=ReplayKey(digest, digest, seen),
        )
        return Permit(
            request=request,
            who=source,
            services=action.services,
            destination=None,
            seconds=action.seconds,
            key=f"door {door.name}",
        )

    async def aclose(self) -> None:
        """Leave everything as it is: grants go on to their end, what is hidden stays hidden."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._enforcer is not None:
            await self._enforcer.written()
