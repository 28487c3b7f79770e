"""What became of packets and grants: typed, so that every dialect can say it its own way.

In here: refusals, the judgement of one packet, grants and commands, and the list of all events.
Not in here: the list of reasons (reasons), the life of the daemon (daemon_events), wording
(dialects), writing (edges.report).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from watchword.model.addresses import Address
from watchword.model.commands import Account, Ran
from watchword.model.daemon_events import DaemonEvent
from watchword.model.door_events import DoorEvent
from watchword.model.openings import Ending, Grant
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.requests import Request, Sealed, Sighting
from watchword.record import record


@record
class Refusal:
    """One reason, for one stanza or for several in a row that answered alike."""

    reason: Reason
    stanzas: tuple[int, ...] = ()
    """Numbers in the order they were tried; empty where no stanza had a say."""
    detail: str = ""
    """What a person needs beyond the reason; never a key, never a payload."""
    expected: str = ""
    """WRONG_USER: the names that would do, for the log of the operator who chose them.
    TOO_OLD, FROM_THE_FUTURE: how many seconds would do.
    UNLISTED_SIGNER: ``fingerprint`` or ``id``, the list that the signer is not in."""
    code: int = 0
    """libfko's error number where it has one (wire format, chapter 12); else 0."""
    original: Sighting | None = None
    """REPLAYED: how the packet arrived the first time, where that is known."""


Finding: TypeAlias = Request | Refusal | Sealed
"""What a recogniser has to say of a packet."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One packet that got past the envelope, and everything that was found out about it."""

    packet: Packet
    at: float
    """Unix seconds."""
    refusals: tuple[Refusal, ...]
    """In the order in which they were found, those before a success included."""
    request: Request | None = None
    """The request that was granted or, failing that, the first that authenticated."""
    grant: Grant | None = None
    """What was granted and is in the firewall; None: refused."""
    renewed: bool = False
    """True: the grant was there before, and ends later now."""
    dry_run: bool = False
    """True: granted on paper only (``--test``)."""
    ran: Ran | None = None
    """How the command that was asked for ended; None: none was run."""
    closed: tuple[str, ...] = ()
    """Names of the grants that it ended, all of them the caller's own."""
    resolved: bool = False
    """True: it names a host, whose addresses were asked for."""

    @property
    def refusal(self) -> Refusal | None:
        """The refusal that came nearest to an open port; None if granted, or run."""
        if self.grant is not None or self.ran is not None or self.closed or not self.refusals:
            return None
        return max(self.refusals, key=lambda each: each.reason.stage)


@record
class CommandStarted:
    """A caller's command begins. How it ended is told by the judgement of its packet."""

    request: Request
    command: str
    account: Account | None
    refusals: tuple[Refusal, ...] = ()
    """Of the stanzas before; they are in the judgement as well."""

    @property
    def first(self) -> bool:
        """A packet has one command of its caller's at the most."""
        return True


@record
class CycleOpening:
    """A command that opens begins. What came of all of them is told by the judgement."""

    request: Request
    command: str
    first: bool = True
    """The first of its packet."""
    refusals: tuple[Refusal, ...] = ()
    """Of the stanzas before."""


@record
class CycleClosing:
    """A command that closes begins."""

    grant: Grant
    command: str
    ending: Ending = Ending.EXPIRED
    tries: int = 0
    """How often it was tried before, and failed."""


@record
class CycleNotClosed:
    """A command that closes did not do it, as far as can be told."""

    grant: Grant
    command: str
    why: str
    tries: int = 1
    """How often it was tried by now."""
    again: float | None = None
    """Seconds until it is tried again; None: it is not, and a person has to see to it."""
    at_start: bool = False
    """The daemon ends, and its next start will try again."""


@record
class Flooded:
    """Packets that were refused alike, and so often that they are told together."""

    reason: Reason
    count: int
    seconds: float
    """How long it took them to come."""
    last_peer: str
    """Where the last of them said it came from."""
    at: float
    """Unix seconds."""


@record
class GrantEnded:
    grant: Grant
    ending: Ending
    at: float


@record
class GrantStays:
    """A grant goes on beyond its end, because somebody is connected through it. Told once."""

    grant: Grant
    latest: float
    """Unix seconds at which it ends all the same."""


class Together(StrEnum):
    """What there is to be told of people at one address."""

    COUNT = "count"  # how many they are
    HELD = "held"  # somebody was let in, though another holds it
    WAITS = "waits"  # somebody waits until it is free


@record
class AddressShared:
    """Several people use one address."""

    who: Address
    how: Together
    people: tuple[str, ...]
    """What they call themselves, the first of them. HELD, WAITS: the one who asked."""
    holder: Grant | None = None
    """HELD, WAITS: whose it is."""
    number: int = 1
    """COUNT: how many they are."""


class Action(StrEnum):
    """What somebody can have the daemon do by the control socket."""

    REVOKE = "revoke"
    EXTEND = "extend"
    BLOCK = "block"
    UNBLOCK = "unblock"


@record
class Change:
    """What somebody had the daemon do."""

    action: Action
    target: str
    """A grant, an address, a stanza, a key, or ``all``, as it was asked."""
    uid: int
    pid: int
    at: float
    """Unix seconds."""
    result: str
    """What came of it, in words."""


@record
class Changed:
    """Somebody used the control socket to change something."""

    change: Change


@record
class Restored:
    """Grants of an earlier run that go on after a restart, or openings put back after a flush."""

    grants: int
    why: str


@record
class Disowned:
    """Openings that no journal knows were taken out of the firewall at start.

    They were made in the moment before a crash, or by other hands.
    """

    openings: int


@record
class Knocked:
    """Something happened at the doors that fwknopd looks after (KNOCKD_CONF)."""

    event: DoorEvent
    at: float
    """Unix seconds."""


Event: TypeAlias = (
    DaemonEvent
    | Judged
    | Knocked
    | CommandStarted
    | CycleOpening
    | CycleClosing
    | CycleNotClosed
    | Flooded
    | GrantEnded
    | GrantStays
    | AddressShared
    | Changed
    | Restored
    | Disowned
)
