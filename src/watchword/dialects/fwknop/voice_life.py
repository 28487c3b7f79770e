"""What the server says of itself, once it runs: its files, its troubles, its end.

In here: reloads that were refused, doubts, troubles with the machine, stopping.
Not in here: its start (voice_start), packets and grants, all other events (voice).

Source: fwknopd server, section 11; ours where fwknopd says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

from watchword.dialects.fwknop.voice_words import Line, Priority, listed
from watchword.errors import Complaint
from watchword.model.daemon_events import (
    AuditAnchored,
    Complained,
    HostTrouble,
    ProgramRan,
    ReloadRefused,
    Remembering,
    SlippedIn,
    Stopped,
    Stopping,
)
from watchword.model.outcomes import Flooded

OfLife: TypeAlias = (
    AuditAnchored
    | Complained
    | Flooded
    | HostTrouble
    | ReloadRefused
    | Remembering
    | SlippedIn
    | Stopped
    | Stopping
)
_SHOWN = 8  # of those who slipped in
_SAID = 300  # characters of what a program printed
_SIGNALS = {"SIGHUP": "Re-reading configs."}


def lines(event: OfLife) -> Iterator[Line]:
    match event:
        case Remembering():
            count = f"(entry count = {event.packets})"
            yield Priority.DEBUG, f"Using Digest Cache: '{event.place}' {count}"
        case Flooded():
            yield from _flooded(event)
        case Complained():
            yield from _complaint(event.complaint)
        case ReloadRefused():
            yield from _refused(event)
        case HostTrouble():
            hint = f" ({event.hint})" if event.hint else ""
            yield Priority.ERR, f"{event.part}: {event.message}{hint}"
            if event.ran is not None:
                yield _refusing(event.ran)
        case AuditAnchored():
            yield Priority.INFO, f"Audit journal: {event.entries} entries, last {event.last}"
        case SlippedIn():
            yield from _slipped_in(event)
        case Stopping():
            yield from _stopping(event)
        case Stopped():
            yield from _stopped(event)
        case _:
            assert_never(event)


def _refusing(ran: ProgramRan) -> Line:
    """As fwknopd tells of a program of the firewall's, with its function's name left at ours."""
    command, said = " ".join(ran.argv), " ".join(ran.output.split())
    return Priority.ERR, f"apply() Error {ran.status} from cmd:'{command}': {said[:_SAID]}"


def _refused(event: ReloadRefused) -> Iterator[Line]:
    yield Priority.ERR, "The configuration was not taken over, the old one goes on:"
    for complaint in event.complaints:
        yield from _complaint(complaint)


def _slipped_in(event: SlippedIn) -> Iterator[Line]:
    what = "who slipped in while other hands changed the firewall"
    counted = Counter(event.connections)
    for (who, service), times in list(counted.items())[:_SHOWN]:
        often = f", {times} connections" if times > 1 else ""
        yield Priority.WARNING, f"Cut off {who} from {service}{often}: {what}"
    if (more := sum(list(counted.values())[_SHOWN:])) > 0:
        yield Priority.WARNING, f"Cut off {more} more connections: {what}"


def _stopping(event: Stopping) -> Iterator[Line]:
    yield Priority.INFO, "Gracefully leaving the fwknopd event loop."
    what = _SIGNALS.get(event.signal, "Exiting...")
    yield Priority.WARNING, f"Got {event.signal}. {what}"


def _flooded(event: Flooded) -> Iterator[Line]:
    yield (
        Priority.WARNING,
        f"{event.count} more packets were refused in the last {event.seconds:.1f} seconds "
        f"({event.reason.word}), the last one from {event.last_peer}",
    )


def _complaint(complaint: Complaint) -> Iterator[Line]:
    priority = Priority.ERR if complaint.fatal else Priority.WARNING
    for each in str(complaint).splitlines():
        yield priority, each


def _stopped(event: Stopped) -> Iterator[Line]:
    yield Priority.INFO, "Shutting Down fwknopd."
    hidden: Sequence[object] = event.kept_hidden
    if event.everything or hidden:
        what = "Everything stays hidden" if event.everything else f"{listed(hidden)} stays hidden"
        yield Priority.WARNING, f"{what}, and nobody new is let in while fwknopd is not running."
