"""Doors that knocks open: what a knock is, what a door waits for, what became of a knock.

In here: values. Not in here: following sequences (recognise.doors), the words of
knockd.conf (dialects.knockd), what is done when a door opens (service.knock).
"""

from __future__ import annotations

from enum import Enum, IntFlag
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from watchword.errors import Place
from watchword.model.addresses import Address
from watchword.model.crypto import Secret
from watchword.model.services import Proto, Service
from watchword.model.templates import Template
from watchword.record import record

MOST_KNOCKS = 32
"""Of one sequence."""
TCP, UDP = Proto.TCP.number, Proto.UDP.number


class Flag(IntFlag):
    """Flags of a TCP header, as they stand in its fourteenth byte."""

    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16
    URG = 32


class Knock(NamedTuple):
    """One packet that was sent to a port. Made for every one of them, so a bare tuple."""

    source: bytes
    """Address, 4 or 16 bytes."""
    destination: bytes
    protocol: int
    """6 or 17."""
    port: int
    flags: int = 0
    """Of a TCP header; 0 for UDP."""


_NONE = Flag(0)


@record
class FlagRule:
    """Which TCP segments count as knocks; by itself: all of them."""

    wanted: Flag = _NONE
    """All of these are set."""
    unwanted: Flag = _NONE
    """None of these is."""

    def admits(self, flags: int) -> bool:
        return flags & self.wanted == self.wanted and not flags & self.unwanted


@record
class DoorCommand:
    """One command of an operator's, told about a caller's address and nothing else."""

    template: Template
    through_shell: bool
    """True: it means something to a shell, and is given to one."""


@record
class RunCommands:
    """A door that has commands run. None: there is none for callers of that family."""

    start: DoorCommand | None = None
    start_6: DoorCommand | None = None
    stop: DoorCommand | None = None
    stop_6: DoorCommand | None = None
    seconds: int | None = 10
    """Between the start command and the stop command; None: it is never run."""

    @property
    def stops(self) -> bool:
        """Whether anything is to be run after the time."""
        return self.stop is not None or self.stop_6 is not None

    def of(self, address: Address) -> tuple[DoorCommand | None, DoorCommand | None]:
        """What is run to open, and what to close, for a caller."""
        if address.version == 6:
            return self.start_6, self.stop_6
        return self.start, self.stop


@record
class OpenServices:
    """A door that opens services for its caller, in the firewall, and for a time."""

    services: tuple[Service, ...]
    seconds: int


@record
class CloseServices:
    """A door that ends what its caller was granted of these services."""

    services: tuple[Service, ...]


DoorAction: TypeAlias = RunCommands | OpenServices | CloseServices


@record
class FailureLimit:
    """How often a sender may fail at a door."""

    most: int
    seconds: int
    """Counted from the first failure on. Until it is over nothing more is followed."""


@record
class Care:
    """What a door asks beyond knockd's rules; by itself: nothing."""

    strict: bool = False
    """True: a knock at any port that is not the next one spoils an attempt, whether some door
    has that port or not. So a scan opens nothing."""
    besides: frozenset[Service] = frozenset()
    """What honest callers use meanwhile, and is overlooked by a strict door."""
    ignore_repeats: bool = False
    """True: the knock that was made last may come again, as when it is sent again on its way."""
    step_timeout: int | None = None
    """Seconds within which each knock has to follow the one before; None: any."""
    failures: FailureLimit | None = None


@record
class Rotation:
    """A sequence that follows from a secret and the time (wire.rotating)."""

    secret: Secret
    knocks: int
    every: int
    """Seconds for which one sequence is the current one."""


_NO_CARE = Care()


@record
class Door:
    """A named sequence of knocks that leads to one action."""

    number: int
    """1-based, in the order of the file. Names may repeat, numbers do not."""
    place: Place
    name: str
    sequence: tuple[Service, ...]
    """Empty: there is a rotation, or its one-time sequences are used up."""
    seq_timeout: int = 25
    """Seconds within which the last knock has to follow the first."""
    flags: FlagRule = FlagRule()
    target: Address | None = None
    """Where knocks have to be sent to; None: to this host."""
    one_time: str | None = None
    """File that the sequence is taken from, and in which it is marked as used."""
    action: DoorAction = RunCommands()
    care: Care = _NO_CARE
    rotation: Rotation | None = None
    kernel: bool = False
    """True: the kernel follows its knocks and opens it, in sets of the packet filter's."""


class KernelOpening(NamedTuple):
    """Somebody whom the kernel let in by itself, and whom no ledger knows yet."""

    door: int
    """The door's number."""
    name: str
    """The door's, for who may have other doors under that number by now."""
    who: Address
    remaining: float
    """Seconds until the kernel ends it."""


class KernelStep(NamedTuple):
    """What the kernel says of an attempt at a door that it follows."""

    door: int
    source: bytes
    """Address, 4 or 16 bytes."""
    stage: int
    """How many knocks were right; 0: a wrong one ended it."""


class Step(Enum):
    """What a knock, or the lack of one, did to an attempt."""

    ADVANCED = "advanced"
    SPOILT = "spoilt"
    TIMED_OUT = "timed out"
    SHUT_OUT = "shut out"
    """Its sender has failed too often, and is not followed for a while."""


class Progress(NamedTuple):
    """One attempt of one caller at one door got somewhere, or came to its end."""

    step: Step
    door: Door
    source: Address
    stage: int
    """How many knocks were right."""
    length: int
    """How many there are."""
    window: int | None = None
    """Which sequence of a rotation it is; None: the door has none."""

    @property
    def opened(self) -> bool:
        return self.step is Step.ADVANCED and self.stage == self.length


@lru_cache(maxsize=4096)
def address_of(packed: bytes) -> Address:
    """An address as it stands in a header. The cache is bounded: strangers make them up."""
    return ip_address(packed)
