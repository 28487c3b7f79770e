"""Grants (what somebody got), openings (what the firewall should have) and changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, NewType

from watchword.model.addresses import Address
from watchword.model.commands import Cycle
from watchword.model.services import Service

DOOR: Final = "door "
"""What ``Grant.key`` begins with where a door let somebody in: no key is called so."""

Tag = NewType("Tag", str)
"""Sixteen hex digits that name an opening in the firewall's own tables."""


class Feature(StrEnum):
    """What a firewall may or may not be able to do, asked for at start."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DESTINATION = "destination"  # an opening for one of this host's addresses only
    SELF_EXPIRY = "self-expiry"  # openings end on time, though the server dies
    CUT = "cut"  # end connections that are under way
    LOCAL_NAT = "local-nat"  # lead a port on to another port of this host
    FORWARD = "forward"  # lead a port on to another host
    FORWARD_ALL = "forward-all"  # let everything of a caller's through this host
    SOURCE_NAT = "source-nat"  # have the inside see an address of this host's, not the caller's
    KERNEL_DOORS = "kernel-doors"  # follow knocks in the kernel, and open by them
    OUTPUT = "output"  # let answers out past a chain that drops them
    SOURCE_PORT = "source-port"  # an opening for connections from one port of the caller's only
    PREFIX = "prefix"  # an opening for a whole network of callers
    FIRST = "first"  # one for the first address of a network that connects, and no other
    COUNT = "count"  # let in so many new connections, and no more
    AT_ONCE = "at-once"  # let in no more than so many at once from one address
    SLIPPED = "slipped"  # cut off who got in while other hands had the firewall


class Lease(StrEnum):
    """What becomes of others who ask, while somebody holds an address."""

    TELL = "tell"  # they are let in, and it is told that they share it
    QUEUE = "queue"  # they wait until it is free
    REFUSE = "refuse"

    @property
    def strictness(self) -> int:
        return list(Lease).index(self)


class SourceNat(NamedTuple):
    """The inside sees an address of this host's in place of the caller's."""

    address: Address | None = None
    """Which; None: that of the interface it goes out by (masquerade)."""

    def __str__(self) -> str:
        return "masquerade" if self.address is None else str(self.address)


class Lead(NamedTuple):
    """Where connections are led on to, in place of the service that they came for."""

    host: Address | None
    """Of the caller's IP version; None: this host, at the address that they came for, or,
    with ``everything``, wherever they are going."""
    port: int
    """1 to 65535; 0 with ``everything``: ports stay as they are."""
    everything: bool = False
    """True: all that the caller sends. With a host, what is addressed to this one goes there;
    without, what passes through this host is let through (FORWARD_ALL)."""
    source: SourceNat | None = None
    """None: the inside sees who calls."""

    def __str__(self) -> str:
        """``10.0.0.5:22``, ``here:22``, ``everything through here``, and as whom it is seen."""
        host = "here" if self.host is None else str(self.host)
        if self.everything:
            where = f"everything {'through' if self.host is None else 'to'} {host}"
        else:
            where = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        return where if self.source is None else f"{where} as {self.source}"

    @property
    def through(self) -> bool:
        """Whether it lets through what passes, and leads nothing elsewhere."""
        return self.everything and self.host is None

    @property
    def features(self) -> frozenset[Feature]:
        """What a firewall has to be able to do for it."""
        if self.everything:
            needed = {Feature.FORWARD_ALL}
        else:
            needed = {Feature.LOCAL_NAT if self.host is None else Feature.FORWARD}
        return frozenset(needed if self.source is None else {*needed, Feature.SOURCE_NAT})


class Extent(NamedTuple):
    """How much of an address is let in, where it is not all that comes from just there."""

    port: int = 0
    """The caller's own port; 0: any."""
    bits: int = 0
    """Leading bits of the address that count, the others are 0; 0: all of them count."""
    first: bool = False
    """With ``bits``: only the first of those addresses that connects is let in."""

    def __str__(self) -> str:
        """``port 40123``, ``/64``, ``/24 (the first that connects)``: what follows an address."""
        if self.port:
            return f" port {self.port}"
        return f"/{self.bits}{' (the first that connects)' if self.first else ''}"

    @property
    def features(self) -> frozenset[Feature]:
        """What a firewall has to be able to do for it."""
        if self.port:
            return frozenset({Feature.SOURCE_PORT})
        return frozenset({Feature.PREFIX, Feature.FIRST} if self.first else {Feature.PREFIX})


class Caller(NamedTuple):
    """Somebody who is let in."""

    who: Address
    extent: Extent | None = None
    """None: whatever comes from there."""

    def __str__(self) -> str:
        return f"{self.who}{self.extent or ''}"


MOST_TICKETS: Final = 64
"""So many connections may be outstanding for one address and service, where they are counted."""
ON_TICKETS: Final = -1
_MORE: Final = 8  # bits above which it is said how many tickets follow the first


def tickets(first: int, number: int = 1) -> int:
    """So many tickets in a row, as ``Hole.ticket`` has them. ``first`` from 1 on."""
    return first | number - 1 << _MORE


class Hole(NamedTuple):
    """Who may reach what: the identity of an opening, without its end."""

    who: Address
    service: Service | None
    """What callers connect to; None: whatever they send, and ``lead`` says ``everything``."""
    destination: Address | None = None
    """This host's address that may be reached; None: any of them."""
    lead: Lead | None = None
    """Where it leads; None: to the service itself, on this host."""
    extent: Extent | None = None
    """How much of ``who``; None: whatever comes from there. What leads somewhere has none."""
    ticket: int = 0
    """0: any number of connections may be made. ON_TICKETS: as many as there are tickets for the
    same door. From 1 on: these tickets (``tickets``), each of which lets one connection in, and
    which lead nowhere themselves."""
    answers: bool = False
    """True: nobody comes in by it; what the service answers goes out (ENABLE_OUTPUT_ACCESS). It is
    for a whole address, leads nowhere and has no ticket."""

    def __hash__(self) -> int:
        """Cheaper than that of a tuple of addresses: holes are looked up for every grant."""
        return int(self.who) ^ hash(self.service) ^ self.ticket

    @property
    def numbers(self) -> range:
        """Of its tickets, each from 1 to MOST_TICKETS."""
        if self.ticket < 1:
            return range(0)
        first = self.ticket & (1 << _MORE) - 1
        return range(first, first + 1 + (self.ticket >> _MORE))

    @property
    def door(self) -> Hole:
        """The same from outside, wherever it leads, and however often it lets somebody in: a door
        leads to one place at a time."""
        plain = self.lead is None and not self.ticket
        return self if plain else self._replace(lead=None, ticket=0)


@dataclass(frozen=True, slots=True)
class Opening:
    """One hole in the firewall, until one instant."""

    hole: Hole
    until: float
    """Steady-clock seconds (model.moments); the first instant at which the hole is shut."""

    @property
    def tag(self) -> Tag:
        """A name derived from the content: equal openings, equal tags."""
        who, service, destination, lead, extent, ticket, answers = self.hole
        text = f"{who} {service} {destination or '*'} {self.until:.3f}"
        if lead is not None:
            text = f"{text} {lead}"
        if extent is not None:
            text = f"{text} of {tuple(extent)}"
        if ticket:
            text = f"{text} ticket {ticket}"
        if answers:
            text = f"{text} answers"
        return Tag(hashlib.blake2s(text.encode("ascii"), digest_size=8).hexdigest())


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What to put into the firewall and what to take out, as one step.

    An opening that replaces another of the same hole is in ``add``, the tag
    of the other in ``remove``.
    """

    add: tuple[Opening, ...] = ()
    remove: frozenset[Tag] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one packet got: some services for one address, for a time."""

    id: str
    """Ten hex digits of the packet's plaintext digest; unique and traceable."""
    stanza: int
    user: str
    source: Address
    """Where the packet came from."""
    who: Address
    """Who may come in."""
    services: tuple[Service, ...]
    """Without repeats, in the packet's order."""
    destination: Address | None
    began: float
    """Unix seconds."""
    ends: float
    """Unix seconds, for people; ``until`` is what is enforced."""
    until: float
    """Steady-clock seconds."""
    key: str = ""
    """Names of the stanza's keys, joined by ``+``; empty: not known."""
    cycle: Cycle | None = None
    """Opened by a command of the operator's own, and closed by one; None: in the firewall."""
    lead: Lead | None = None
    """Where the service leads, of which there is one then; None: to themselves."""
    extent: Extent | None = None
    """How much of ``who``; None: whatever comes from there."""
    also: tuple[Caller, ...] = ()
    """Who may come in as well: other addresses of the same caller's."""
    tickets: tuple[int, ...] = ()
    """For each of its services, which connections are to be made; none: any number may."""
    door_until: float | None = None
    """Steady-clock seconds: from then on nobody new is let in, though it is in force; None: as long
    as it is."""

    identity: str = ""
    """Who has it, as far as he proved it: his key, and his name if that is checked."""
    lease: Lease | None = None
    """What becomes of others at the same address; None: nothing."""
    answers: bool = False
    """True: answers to its callers are let out by openings of their own. False: not, or as with
    everybody."""

    @property
    def shuts(self) -> float:
        """Steady-clock seconds; the end of its openings."""
        return self.until if self.door_until is None else min(self.until, self.door_until)

    @property
    def callers(self) -> tuple[Caller, ...]:
        """Everybody who may come in."""
        return (Caller(self.who, self.extent), *self.also)

    @property
    def features(self) -> frozenset[Feature]:
        """What a firewall has to be able to do for it, beyond opening a service."""
        needed = self.lead.features if self.lead is not None else frozenset[Feature]()
        for extent in {each.extent for each in self.callers}:
            needed |= extent.features if extent is not None else frozenset()
        return needed | {Feature.COUNT} if self.tickets else needed

    @property
    def door(self) -> str:
        """The name of the door that was opened by knocks; empty: it was no door."""
        return self.key.removeprefix(DOOR) if self.key.startswith(DOOR) else ""

    @property
    def wanted(self) -> tuple[Hole, ...]:
        """What the firewall has to have for it."""
        return (*self.holes, *self._ways_out) if self.answers else self.holes

    @property
    def _ways_out(self) -> tuple[Hole, ...]:
        """For the port that answers come from. Those of other hosts pass as what they led to."""
        if self.cycle is not None:
            return ()
        if self.lead is None:
            services = self.services
        elif self.lead.host is None and not self.lead.everything:
            services = (Service(self.services[0].proto, self.lead.port),)
        else:
            return ()
        return tuple(
            Hole(caller.who, service, self.destination, answers=True)
            for caller in self.callers
            for service in services
            if caller.extent is None
        )

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Ways in: what somebody can come through."""
        if self.cycle is not None:
            return ()
        doors = self._doors
        if not self.tickets:
            return doors
        rows = _in_rows(self.tickets)
        by_number = [
            Hole(door.who, door.service, door.destination, ticket=each)
            for door in doors
            if door.ticket
            for each in rows
        ]
        return *doors, *by_number

    @property
    def _doors(self) -> tuple[Hole, ...]:
        on = ON_TICKETS if self.tickets else 0
        if self.lead is not None:
            service = None if self.lead.everything else self.services[0]
            return (Hole(self.who, service, self.destination, self.lead, ticket=on),)
        return tuple(
            Hole(who, service, self.destination, extent=extent, ticket=0 if extent else on)
            for who, extent in self.callers
            for service in self.services
        )


def _in_rows(numbers: tuple[int, ...]) -> list[int]:
    """As few holes as there can be: tickets in a row are one."""
    rows: list[tuple[int, int]] = []
    for each in sorted(numbers):
        if rows and sum(rows[-1]) == each:
            rows[-1] = rows[-1][0], rows[-1][1] + 1
        else:
            rows.append((each, 1))
    return [tickets(first, number) for first, number in rows]


class Ending(StrEnum):
    """Why a grant is over."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed by its owner"
    RENEWED = "renewed"  # it goes on as another grant
    FAILED = "failed"  # nothing was opened, after all
    NOT_CLOSED = "not closed"  # the command that closes failed
