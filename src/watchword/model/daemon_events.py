"""What happens in the life of a daemon: its start, its ways to packets, its troubles, its end.

Not in here: packets, grants and commands (outcomes), wording (dialects).
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from watchword.errors import Complaint, HostError, ProgramError
from watchword.model.services import Service
from watchword.record import record


@record
class Starting:
    version: str
    again: bool = False
    """True after a reload."""


@record
class LocaleSet:
    """The locale of messages was to be set."""

    name: str
    known: bool
    """False: this host does not have it, and the one before it goes on."""


@record
class KeyFile:
    """A stanza has its keys from a file of their own."""

    path: str


@record
class RunDirectory:
    """The directory of files that need not survive a boot was not there."""

    path: str
    made: bool
    """False: it is about to be made."""


@record
class Rotated:
    """The memory of packets was begun anew."""

    old: str
    """Where what was remembered before is written down."""
    written: int
    dropped: int
    """Of those, how many are not remembered any more."""


@record
class Remembering:
    """The memory of packets is open."""

    place: str
    packets: int


@record
class Listening:
    """A socket is bound, and what comes to it is looked at."""

    service: Service
    families: tuple[int, ...]
    """Of 4 and 6."""


@record
class Sniffing:
    """What passes these interfaces is looked at."""

    interfaces: tuple[str, ...]
    """Empty: all of them."""
    filter: str
    """In tcpdump's words; empty: everything."""


@record
class ReadingFile:
    """Packets are taken from a capture file."""

    path: str
    filter: str
    """As in ``Sniffing``."""


@record
class AwaitingKnocks:
    """Old knocks are heard from now on."""

    where: str
    """For people: ``NFLOG group 5``."""


@record
class Queueing:
    """Datagrams to a port are taken from a netfilter queue."""

    port: int
    number: int


@record
class LimitReached:
    """As many packets came as were to be looked at; the daemon ends."""

    packets: int


class InterfaceState(Enum):
    THERE = "there"
    DOWN = "down"
    RENAMED = "renamed"
    """The one that had the name is called something else now, and still looked at."""
    GONE = "gone"


@record
class InterfaceChanged:
    """An interface that is sniffed on came, went or is called something else."""

    name: str
    """As the configuration has it."""
    state: InterfaceState
    others: tuple[str, ...] = ()
    """GONE: the interfaces that there are."""


@record
class Waiting:
    """Everything is set up; from here on packets decide what happens."""


@record
class Attached:
    """The firewall is prepared; says what is hidden now."""

    backend: str
    way: str
    """``guard inet watchword``, ``jump from inet filter input``."""
    hidden: tuple[Service, ...]
    everything: bool = False
    """GUARD_SERVICES ALL: everything but ``public`` is hidden."""
    public: tuple[Service, ...] = ()
    adopted: int = 0
    """Live connections that were there before and go on."""
    jumps: tuple[tuple[str, str], ...] = ()
    """From which chain of iptables to which of ours."""


@record
class Complained:
    """Something an operator wrote is wrong; the daemon goes on."""

    complaint: Complaint


@record
class ReloadRefused:
    """A reload found mistakes; the old configuration goes on."""

    complaints: tuple[Complaint, ...]


@record
class ProgramRan:
    """A program that changes or lists the firewall has ended; for who looks for a fault there."""

    argv: tuple[str, ...]
    status: int
    output: str
    """The beginning of what it said, complaints included."""


@record
class SlippedIn:
    """Connections that nobody had let in were ended: others had changed the firewall."""

    connections: tuple[tuple[str, Service], ...]
    """Who, and to what; one entry each."""


@record
class HostTrouble:
    """The machine refused something: which part, what it said, what follows from it."""

    part: str
    """``firewall``, ``replay store``, ``journal``, ``socket``."""
    message: str
    hint: str = ""
    ran: ProgramRan | None = None
    """The program that said no, where one did."""

    @classmethod
    def of(cls, part: str, error: HostError) -> HostTrouble:
        ran = None
        if isinstance(error, ProgramError):
            ran = ProgramRan(error.argv, error.status, error.said)
        return cls(part, str(error), error.hint, ran)


@record
class AuditAnchored:
    """How far the audit journal has come: kept elsewhere, it shows what is cut off later."""

    entries: int
    """Number of the last entry."""
    last: str
    """Its hash, 64 hex digits."""


@record
class Stopping:
    signal: str
    """``SIGTERM``, ``SIGINT``, ``SIGHUP``."""


@record
class Stopped:
    kept_hidden: tuple[Service, ...] = ()
    """Services that stay hidden although the daemon is gone."""
    everything: bool = False


DaemonEvent: TypeAlias = (
    Starting
    | LocaleSet
    | KeyFile
    | RunDirectory
    | Rotated
    | Remembering
    | Listening
    | Sniffing
    | ReadingFile
    | Queueing
    | AwaitingKnocks
    | LimitReached
    | InterfaceChanged
    | Waiting
    | Attached
    | Complained
    | ReloadRefused
    | HostTrouble
    | ProgramRan
    | SlippedIn
    | AuditAnchored
    | Stopping
    | Stopped
)
