"""What the process that reads packets asks of the one that may do things.

In here: one value for each kind of request. Not in here: their form on the socket (wire.orders),
whether they are carried out (grant.warrants, service.apart).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from watchword.model.addresses import Address
from watchword.model.openings import Hole, Opening, Tag
from watchword.model.services import Service
from watchword.record import record


class Plain(StrEnum):
    """Requests without particulars."""

    NAME = "name"
    PROBE = "probe"
    PREPARE = "prepare"
    INSTALLED = "installed"
    INTACT = "intact"
    TEARDOWN = "teardown"
    KNOCKED = "knocked"
    REST = "rest"
    REREAD = "reread"  # what the configuration says now; only after the operator asked for it
    TAKEN = "taken"  # packets are decided by what was read last
    REFUSED = "refused"  # what was read last is of no use, and the policy stays
    READY = "ready"  # packets are looked at
    ALIVE = "alive"
    ADMIT = "admit"  # those to the control socket whom the settings name
    SHUT = "shut"  # the control socket
    END_GPG = "end gpg"
    END_COMMANDS = "end commands"
    END_CLOSING = "end closing"
    END_MAIL = "end mail"


@record
class Firewall:
    """One of the first eight, of the firewall that the settings of now name, or those read last."""

    what: Plain
    coming: bool = False
    """True: of the settings that were read last, and are not taken up yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An opening, and the grant that it is for."""

    opening: Opening
    stanza: int
    source: Address
    """Where the packet came from."""
    door: str = ""
    """The name of the door that it came by, if it was no packet of a stanza's."""
    grant: str = ""
    """What the grant is called."""


@dataclass(frozen=True, slots=True)
class Apply:
    add: tuple[Wanted, ...] = ()
    remove: frozenset[Tag] = frozenset()
    coming: bool = False


@record
class Settle:
    """There are openings for those whom the kernel let in by a door, or there will be none."""

    taken: tuple[tuple[int, Address], ...]
    """The door's number, and who it is."""
    coming: bool = False


@record
class Recognise:
    """Openings, perhaps of an earlier run: which of them has the firewall?"""

    openings: tuple[Opening, ...]
    coming: bool = False


@record
class Unused:
    """Which of these tickets has nobody taken yet?"""

    holes: tuple[Hole, ...]


@record
class Through:
    """Which of these holes is somebody connected through?"""

    holes: tuple[Hole, ...]


@record
class Cut:
    holes: tuple[Hole, ...] = ()
    coming: bool = False


@record
class RunCommand:
    stanza: int
    command: str
    policy: int
    """Which policy decided: counted from the start."""


@record
class OpenByCommand:
    stanza: int
    who: Address
    source: Address
    destination: Address | None
    service: Service
    ends: int
    """Unix seconds."""
    seconds: int
    policy: int
    grant: str = ""
    """What the grant is called."""


@record
class OpenDoor:
    """Run the command that a door opens by."""

    door: int
    """Its number."""
    who: Address
    policy: int


@record
class UseUp:
    """Mark a one-time sequence of a door's as used."""

    door: int
    sequence: tuple[Service, ...]
    policy: int


@record
class CloseByCommand:
    argv: tuple[str, ...]
    """As the hand spelled it out when it opened."""


@record
class Prolong:
    """What is closed by this command is to be closed later."""

    argv: tuple[str, ...]
    until: float
    """Steady-clock seconds."""
    grant: str = ""
    """What the grant is called."""


@record
class Decrypt:
    keyring: bytes
    """The name of one that the policy has."""
    message: bytes


@record
class Awaiting:
    """Where packets are to be looked at, and cannot be yet; empty: all are looked at."""

    what: tuple[str, ...]
    """For people: ``interface wlan0``."""


@record
class Mail:
    subject: str


class Way(StrEnum):
    """Kinds of sockets and files by which packets come, or that are read at start."""

    UDP = "udp"
    TCP = "tcp"
    PACKETS = "packets"
    CAPTURE = "capture"
    KERNEL_LOG = "kernel log"
    KERNEL_PIPE = "kernel pipe"
    GROUP = "group"  # of the firewall's log by netlink, its number as the port
    DIGESTS = "digests"
    METRICS = "metrics"
    LOG = "log"
    DOORS = "doors"


@record
class OpenWay:
    way: Way
    family: int = 0
    """4 or 6, of a port; of packets 1 stands for every interface, 0 for one that is named later."""
    port: int = 0
    path: str = ""


@record
class Compile:
    """Have a capture filter translated that only tcpdump understands."""

    text: str


@record
class OpenControl:
    answers: tuple[str, ...]
    changes: tuple[str, ...]


Order: TypeAlias = (
    Plain | Firewall | Apply | Settle | Recognise | Cut | RunCommand | OpenByCommand
    | CloseByCommand
    | OpenDoor | UseUp | Prolong | Through | Unused | Decrypt | Awaiting | Mail | OpenWay | Compile
    | OpenControl
)  # fmt: skip
