"""Grants (what somebody got), openings (what the firewall should have) and changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType

from watchword.model.addresses import Address
from watchword.model.commands import Cycle
from watchword.model.services import Service

Tag = NewType("Tag", str)
"""Sixteen hex digits that name an opening in the firewall's own tables."""


class Feature(StrEnum):
    """What a firewall may or may not be able to do, asked for at start."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DESTINATION = "destination"  # an opening for one of this host's addresses only
    SELF_EXPIRY = "self-expiry"  # openings end in the kernel, whatever dies
    CUT = "cut"  # end connections that are under way
    FORWARD = "forward"  # lead a service on to another host or port


class Hole(NamedTuple):
    """Who may reach what: the identity of an opening, without its end."""

    who: Address
    service: Service
    destination: Address | None = None
    """This host's address that may be reached; None: any of them."""

    def __hash__(self) -> int:
        """Cheaper than that of a tuple of addresses: holes are looked up for every grant."""
        return int(self.who) ^ hash(self.service)


@dataclass(frozen=True, slots=True)
class Opening:
    """One hole in the firewall, until one instant."""

    hole: Hole
    until: float
    """Steady-clock seconds (model.moments); the first instant at which the hole is shut."""

    @property
    def tag(self) -> Tag:
        """A name derived from the content: equal openings, equal tags."""
        who, service, destination = self.hole
        text = f"{who} {service} {destination or '*'} {self.until:.3f}"
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

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What the firewall has to have for it."""
        if self.cycle is not None:
            return ()
        return tuple(Hole(self.who, service, self.destination) for service in self.services)


class Ending(StrEnum):
    """Why a grant is over."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed by its owner"
    RENEWED = "renewed"  # it goes on as another grant
    FAILED = "failed"  # nothing was opened, after all
    NOT_CLOSED = "not closed"  # the command that closes failed
