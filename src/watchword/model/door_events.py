"""What happens in the life of a knock daemon, beyond the progress of attempts.

In here: values. Not in here: progress at doors (doors), the words (dialects.knockd.voice).
"""

from __future__ import annotations

from typing import TypeAlias

from watchword.model.addresses import Address
from watchword.model.doors import Door, Knock, Progress
from watchword.model.openings import Ending, Grant
from watchword.record import record


@record
class Told:
    """Progress with the name of its source, where one was looked up."""

    progress: Progress
    host: str = ""


@record
class SesameOpened:
    """A sequence is complete, and what it leads to begins."""

    door: Door
    source: Address
    host: str = ""


@record
class ListeningOn:
    interfaces: str


@record
class CommandRun:
    """A start or stop command begins."""

    door: str
    text: str


@record
class CommandFailed:
    door: str
    status: int
    """As a shell has it: 127 for a program that is not there, 0 for one that a signal ended."""


@record
class CommandTooLong:
    """It is not run."""

    which: str
    """``start`` or ``stop``."""


@record
class CommandDue:
    """The time between start and stop is over."""

    door: str
    source: Address


@record
class ServicesOpened:
    """A door opened services for its caller: they are in the firewall now."""

    door: str
    grant: Grant
    remaining: float | None = None
    """Seconds until the end, of a grant that may have been there before; None: all of its time."""


@record
class ServicesClosed:
    grant: Grant
    ending: Ending


@record
class SequencesUsedUp:
    door: str


@record
class SequenceNotMarked:
    """The file of a one-time door could not be written to: it does not open."""

    door: str
    why: str


@record
class SequenceTaken:
    """A one-time door waits for its next sequence."""

    door: Door


@record
class Rereading:
    path: str


@record
class LogReopened:
    path: str


@record
class NoPidFile:
    path: str
    why: str


@record
class Noise:
    """Lines that strangers bring about at will, and that were left out of the log."""

    lines: int


@record
class Seen:
    """A packet that some door listens to; told only where debugging was asked for."""

    knock: Knock


@record
class Trouble:
    """This machine refused something, or an operator's file has a flaw; the daemon goes on."""

    message: str
    hint: str = ""


@record
class Remark:
    """Something that is as it should be, and worth a line."""

    text: str


@record
class ShuttingDown:
    """The daemon ends."""


DoorEvent: TypeAlias = (
    Told
    | SesameOpened
    | ListeningOn
    | CommandRun
    | CommandFailed
    | CommandTooLong
    | CommandDue
    | ServicesOpened
    | ServicesClosed
    | SequencesUsedUp
    | SequenceNotMarked
    | SequenceTaken
    | Rereading
    | LogReopened
    | NoPidFile
    | Noise
    | Seen
    | Trouble
    | Remark
    | ShuttingDown
)
