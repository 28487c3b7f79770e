"""Doors that open services: from a completed sequence to a grant like that of a packet.

In here: the permit that a knock comes to, opening and closing for callers, what is told of it.
Not in here: changing the firewall (service.daemon.enforcer), whose enforcer that is (managed for
knockd, service.daemon.doors for fwknopd), commands (runs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from watchword.edges.randomness import key_bytes
from watchword.errors import HostError
from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, Remark, ServicesOpened, Trouble
from watchword.model.doors import CloseServices, Door, OpenServices
from watchword.model.openings import DOOR, Grant
from watchword.model.packets import Packet
from watchword.model.requests import AccessWish, ReplayKey, Request, Sighting
from watchword.ports import Clock
from watchword.service.daemon.enforcer import Enforcer

_DIGEST = 32  # bytes of a digest, made up: there is no packet to take one of


class Taken(NamedTuple):
    """What the kernel has opened already, to become a grant."""

    door: Door
    action: OpenServices
    who: Address
    remaining: float
    """Seconds until its end."""


class DoorGrants:
    """Opens and closes for callers, by one enforcer."""

    def __init__(
        self,
        enforcer: Enforcer,
        tell: Callable[[DoorEvent], None],
        clock: Clock,
        *,
        numbered: bool = True,
    ) -> None:
        """``numbered``: grants have the door's number as that of a stanza; else 0."""
        self.families: Collection[int] = (4, 6)
        """IP versions that the firewall can open."""
        self.to_one_destination = False
        """True: only the address that was knocked at is opened."""
        self.answers = False
        """As ``Grant.answers``."""
        self._enforcer = enforcer
        self._tell = tell
        self._clock = clock
        self._numbered = numbered

    async def open(
        self, door: Door, action: OpenServices, source: Address, destination: Address | None
    ) -> None:
        """Let a caller in. What the machine refuses is told."""
        if source.version not in self.families:
            said = f"{door.name}: not opened for {source}: the firewall cannot do it"
            self._tell(Trouble(said, "see that nft(8) works, IPv6 included"))
            return
        to = destination if self.to_one_destination else None
        try:
            permit = self._permit(door, action, source, to, action.seconds)
            [answer] = await self._enforcer.grant([permit])
        except HostError as error:
            self._tell(Trouble(f"{door.name}: not opened for {source}: {error}", error.hint))
            return
        if isinstance(answer, Grant):  # what leads elsewhere is not made by doors
            self._opened(door.name, answer)

    def _opened(self, door: str, grant: Grant) -> None:
        remaining = max(0.0, grant.until - self._clock.now().steady)
        self._tell(ServicesOpened(door, grant, remaining))

    async def take_over(self, found: Sequence[Taken]) -> None:
        """Make grants of what is open already. Raises HostError."""
        permits = [
            self._permit(each.door, each.action, each.who, None, math.ceil(each.remaining))
            for each in found
            if each.who.version in self.families
        ]
        answers = await self._enforcer.grant(permits) if permits else ()
        for permit, answer in zip(permits, answers, strict=True):
            if isinstance(answer, Grant):
                self._opened(permit.request.user, answer)

    async def close(self, door: Door, action: CloseServices, source: Address) -> None:
        """End what doors granted a caller of some services. What the machine refuses is told."""
        services = set(action.services)

        def wanted(grant: Grant) -> bool:
            hit = grant.who == source and not services.isdisjoint(grant.services)
            return hit and bool(grant.door)

        revoked = await self._enforcer.revoke(wanted, cut=False)
        if revoked.trouble is not None:
            self._tell(Trouble(f"{door.name}: {revoked.trouble}", revoked.trouble.hint))
        if not revoked.grants:
            self._tell(Remark(f"{source}: {door.name}: nothing was open"))

    def _permit(
        self,
        door: Door,
        action: OpenServices,
        source: Address,
        destination: Address | None,
        seconds: int,
    ) -> Permit:
        now = self._clock.now()
        digest = key_bytes(_DIGEST)
        last = door.sequence[-1] if door.sequence else None
        port, protocol = (last.port, last.proto.number) if last else (0, 0)
        packet = Packet(b"", str(source), 0, "", port, protocol)
        seen = Sighting(packet.protocol, packet.peer, 0, "", packet.local_port, now.wall)
        request = Request(
            stanza=door.number if self._numbered else 0,
            packet=packet,
            user=door.name,
            sent_at=int(now.wall),
            version="knock",
            wish=AccessWish(action.services),
            allow=None,
            seconds=seconds,
            key=ReplayKey(digest, digest, seen),
        )
        return Permit(
            request=request,
            who=source,
            services=action.services,
            destination=destination,
            seconds=seconds,
            key=f"{DOOR}{door.name}",
            answers=self.answers,
        )
