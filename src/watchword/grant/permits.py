"""What comes of asking whether somebody may have what he asks for.

In here: a yes, of each kind, and that a question is still open.
Not in here: who gets which (decide), a yes to closing (closing), a no (model.outcomes), what a yes
comes to (granting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from watchword.grant.closing import ClosePermit
from watchword.model.addresses import Address
from watchword.model.commands import CycleTerms, Job
from watchword.model.openings import Caller, Extent, Lead
from watchword.model.outcomes import Refusal
from watchword.model.requests import Request
from watchword.model.services import Service
from watchword.model.sharing import SHARED_BY_ALL, SharingTerms
from watchword.record import record


@record
class CommandPermit:
    """A yes to a command, if its checks turn out well. Nothing has run yet."""

    request: Request
    command: str
    job: Job
    key: str = ""
    """As ``Grant.key``."""


@dataclass(frozen=True, slots=True)
class Permit:
    """A yes: who may reach what, for how long. Nothing is open yet."""

    request: Request
    who: Address
    services: tuple[Service, ...]
    """Without repeats, in the packet's order."""
    destination: Address | None
    seconds: int
    cycle: CycleTerms | None = None
    """The commands that open and close; None: the firewall does."""
    key: str = ""
    """As ``Grant.key``."""
    lead: Lead | None = None
    """As ``Grant.lead``."""
    extent: Extent | None = None
    """As ``Grant.extent``."""
    also: tuple[Caller, ...] = ()
    """As ``Grant.also``."""
    sharing: SharingTerms = SHARED_BY_ALL
    """What it does against others at the same address."""
    identity: str = ""
    """As ``Grant.identity``."""
    answers: bool = False
    """As ``Grant.answers``."""

    @property
    def connections(self) -> int | None:
        """How many may be made to each service; None: any number."""
        return self.sharing.connections

    @property
    def door_seconds(self) -> int | None:
        """For how long somebody new is let in; None: for as long as it is in force."""
        return self.sharing.door_seconds

    @property
    def callers(self) -> tuple[Caller, ...]:
        """As ``Grant.callers``."""
        return (Caller(self.who, self.extent), *self.also)


@record
class Unresolved:
    """Neither yes nor no, until somebody says which addresses a host has."""

    request: Request
    host: str
    """A name of the domain name system, at most 70 characters."""


Yes: TypeAlias = Permit | CommandPermit | ClosePermit
Answer: TypeAlias = Yes | Unresolved | Refusal
