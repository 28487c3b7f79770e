"""knockd's log lines (knockd, section 6).

In here: an event to the text of its line; which lines go where.
Not in here: time stamps, files, the system's log (service.knock.teller).

Of our own, in the same style: lines of doors that open services, and of trouble.
Difference: no line has an empty one behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from watchword.model.addresses import Address
from watchword.model.door_events import (
    CommandDue,
    CommandFailed,
    CommandRun,
    CommandTooLong,
    DoorEvent,
    ListeningOn,
    LogReopened,
    Noise,
    NoPidFile,
    Remark,
    Rereading,
    Seen,
    SequenceNotMarked,
    SequencesUsedUp,
    SequenceTaken,
    ServicesClosed,
    ServicesOpened,
    SesameOpened,
    ShuttingDown,
    Told,
    Trouble,
)
from watchword.model.doors import Progress, Step, address_of
from watchword.model.services import Service

LONGEST = 1023
"""Bytes of a line."""


class Where(Enum):
    LOG = "log"
    """To every place that was asked for."""
    DEBUG = "debug"
    """To standard output, where debugging was asked for."""
    ERROR = "error"
    """To standard error as well as to the log."""


def lines(event: DoorEvent) -> Iterator[tuple[Where, str]]:
    """What is said of an event, each line without its end."""
    for where, line in _said(event):
        cut = line.encode("utf-8", "surrogateescape")[:LONGEST]
        yield where, cut.decode("utf-8", "replace")


def spelled(sequence: tuple[Service, ...]) -> str:
    """A sequence as it stands in a file."""
    return ",".join(f"{each.port}:{each.proto}" for each in sequence)


def _said(event: DoorEvent) -> Iterator[tuple[Where, str]]:
    match event:
        case Told(progress, host):
            yield from _of_progress(progress, host)
        case SesameOpened(door, source, host):
            yield Where.LOG, f"{_who(source, host)}: {door.name}: OPEN SESAME"
        case ListeningOn(interfaces):
            yield Where.LOG, f"starting up, listening on {interfaces}"
        case CommandRun(door, text):
            yield Where.LOG, f"{door}: running command: {text}"
        case CommandFailed(door, status):
            text = f"{door}: command returned non-zero status code ({status})"
            yield Where.ERROR, text
        case CommandTooLong(which):
            what = "it" if which == "start" else "start command"
            text = f"error: parsed {which} command has been truncated! --> won't execute {what}"
            yield Where.ERROR, text
        case CommandDue(door, source):
            yield Where.LOG, f"{source}: {door}: command timeout"
        case ServicesOpened(door, grant, remaining):
            services = ",".join(map(str, grant.services))
            length = grant.ends - grant.began if remaining is None else remaining
            yield Where.LOG, f"{grant.who}: {door}: opened {services} for {length:.0f} seconds"
        case ServicesClosed(grant, ending):
            services = ",".join(map(str, grant.services))
            yield Where.LOG, f"{grant.who}: {grant.user}: closed {services} ({ending})"
        case _:
            yield from _of_daemon(event)


def _of_progress(progress: Progress, host: str) -> Iterator[tuple[Where, str]]:
    source, stage = progress.source, progress.stage
    who = f"{_who(source, host)}: {progress.door.name}"
    match progress.step:
        case Step.ADVANCED:
            yield Where.LOG, f"{who}: Stage {stage}"
        case Step.TIMED_OUT:
            yield Where.LOG, f"{who}: sequence timeout (stage {stage})"
        case Step.SHUT_OUT:
            yield Where.LOG, f"{who}: failed too often, not followed for a while"
        case Step.SPOILT:
            yield Where.DEBUG, f"removing failed knock attempt ({source})"


def _of_daemon(event: DoorEvent) -> Iterator[tuple[Where, str]]:
    match event:
        case SequencesUsedUp(door):
            text = f"no more sequences left in the one time sequences file for door {door}"
            yield Where.ERROR, f"{text} --> disabling the door"
        case SequenceNotMarked(door, why):
            text = f"error while disabling used one time sequence for door {door}"
            yield Where.ERROR, f"{text} --> disabling the door"
            yield (
                Where.ERROR,
                f"{door}: the door was not opened: {why} (mend that, then reload: SIGHUP)",
            )
        case SequenceTaken(door):
            sequence = spelled(door.sequence)
            yield Where.DEBUG, f"new sequence for door {door.name}: {sequence}"
        case Rereading(path):
            yield Where.LOG, f"re-reading config file: {path}"
        case LogReopened(path):
            yield Where.LOG, f"re-opening log file: {path}"
        case NoPidFile(path, why):
            yield Where.LOG, f"could not create pid file {path}: {why}"
        case Noise(count):
            yield Where.LOG, f"{count} lines of knocks that led nowhere were left out"
        case Seen(knock):
            proto = "tcp" if knock.protocol == 6 else "udp"
            here, there = address_of(knock.source), address_of(knock.destination)
            yield Where.DEBUG, f"{proto}: {here} -> {there}:{knock.port}"
        case Trouble(message, hint):
            yield Where.ERROR, f"{message} ({hint})" if hint else message
        case Remark(text):
            yield Where.LOG, text
        case ShuttingDown():
            yield Where.LOG, "shutting down"


def _who(source: Address, host: str) -> str:
    return f"{source} ({host})" if host else str(source)
