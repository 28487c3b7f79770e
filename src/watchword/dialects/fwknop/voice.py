"""What the server says of events, in the words of fwknopd 2.6.10 and 2.6.11.

In here: one or more log lines for every event but the judgement of a packet.
Not in here: that one (voice_packets), the JSON form (voice_json), where lines
are written and which are left out (edges.report).

Where there is no event of that kind in fwknopd, the words are ours. No line
holds a control character, whatever a packet or a file said. Source: fwknopd
server, section 11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from watchword.dialects.fwknop import voice_commands, voice_dump, voice_start
from watchword.dialects.fwknop.voice_added import rules
from watchword.dialects.fwknop.voice_json import structured
from watchword.dialects.fwknop.voice_packets import PacketVoice
from watchword.dialects.fwknop.voice_words import Line, Priority, listed, said
from watchword.errors import Complaint
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import (
    Attached,
    AuditAnchored,
    Changed,
    CommandStarted,
    Complained,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Disowned,
    Event,
    Flooded,
    GrantEnded,
    GrantStays,
    HostTrouble,
    InterfaceChanged,
    InterfaceState,
    Judged,
    LimitReached,
    Listening,
    LocaleSet,
    Queueing,
    ReadingFile,
    ReloadRefused,
    Remembering,
    Restored,
    Rotated,
    RunDirectory,
    Sniffing,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from watchword.model.settings import LogChains, LogSettings, LogStyle

__all__ = ["Line", "Priority", "Voice", "lines", "structured"]

_SIGNALS = {"SIGHUP": "Re-reading configs."}
_DEFAULT: Final = LogSettings()


class Voice:
    """Says events. Remembers which stanzas it has called expired: that is said once."""

    def __init__(
        self,
        chains: LogChains = _DEFAULT.chains,
        style: LogStyle = LogStyle.LATEST,
        *,
        verbosity: int = 0,
    ) -> None:
        """``chains``: what lines about grants call the places where they are. ``verbosity``: how
        much of a packet is in the lines for debugging."""
        self._chains = chains
        self._style = style
        self._whole = verbosity >= voice_dump.WHOLE
        self._packets = PacketVoice(chains, style, whole=self._whole)

    def __call__(self, event: Event, debug: bool = True) -> Iterator[Line]:
        """The lines of one event, each with its priority, in order.

        Without ``debug`` those of priority DEBUG are not worked out.
        """
        for priority, text in self._lines(event, debug):
            yield priority, said(text)

    def _lines(self, event: Event, debug: bool) -> Iterator[Line]:  # noqa: PLR0912, PLR0915 - one arm for each event
        match event:
            case Judged():
                yield from self._packets.judged(event, debug)
            case CommandStarted() | CycleOpening():
                yield from self._packets.begun(event)
            case CycleClosing() | CycleNotClosed():
                yield voice_commands.closing(event)
            case Flooded():
                yield from _flooded(event)
            case GrantEnded():
                yield from _ended(event, self._chains, debug)
            case Changed(change):
                yield (
                    Priority.INFO,
                    f"User id {change.uid} (pid {change.pid}) asked: {change.action} "
                    f"{change.target}: {change.result}",
                )
            case Starting():
                # stanzas may have new numbers
                self._packets = PacketVoice(self._chains, self._style, whole=self._whole)
                yield from voice_start.starting(event)
            case LocaleSet() | RunDirectory() | Rotated():
                yield from voice_start.said(event)
            case Remembering():
                count = f"(entry count = {event.packets})"
                yield Priority.DEBUG, f"Using Digest Cache: '{event.place}' {count}"
            case Listening():
                yield from _listening(event)
            case Sniffing():
                yield from _sniffing(event)
            case ReadingFile():
                yield Priority.INFO, f"Reading pcap file: {event.path}"
                yield from _filter(event.filter)
            case Queueing():
                where = f"netfilter queue {event.number}"
                yield Priority.INFO, f"Taking packets to UDP port {event.port} from {where}."
            case LimitReached():
                yield from _limit(event)
            case InterfaceChanged():
                yield _interface(event)
            case Waiting():
                yield Priority.INFO, "Starting fwknopd main event loop."
            case Attached():
                yield from _attached(event)
            case GrantStays(grant, latest):
                what = f"{grant.who} {listed(grant.services)}"
                yield (
                    Priority.INFO,
                    f"Rule {grant.id} for {what} goes on while somebody is connected through it, "
                    f"until {int(latest)} at the latest",
                )
            case Restored():
                yield Priority.INFO, f"Restored {event.grants} grants: {event.why}"
            case Disowned():
                yield (
                    Priority.WARNING,
                    f"Removed {event.openings} openings that no journal knows: they were made "
                    "in the moment before a crash, or by other hands",
                )
            case Complained():
                yield from _complaint(event.complaint)
            case ReloadRefused():
                yield Priority.ERR, "The configuration was not taken over, the old one goes on:"
                for complaint in event.complaints:
                    yield from _complaint(complaint)
            case HostTrouble():
                hint = f" ({event.hint})" if event.hint else ""
                yield Priority.ERR, f"{event.part}: {event.message}{hint}"
            case AuditAnchored():
                yield Priority.INFO, f"Audit journal: {event.entries} entries, last {event.last}"
            case Stopping():
                yield Priority.INFO, "Gracefully leaving the fwknopd event loop."
                what = _SIGNALS.get(event.signal, "Exiting...")
                yield Priority.WARNING, f"Got {event.signal}. {what}"
            case Stopped():
                yield from _stopped(event)
            case _:
                assert_never(event)


def lines(event: Event, log: LogSettings = _DEFAULT) -> Iterator[Line]:
    """The lines of one event on its own. The daemon keeps a ``Voice`` instead."""
    return Voice(log.chains, log.style)(event)


def _flooded(event: Flooded) -> Iterator[Line]:
    yield (
        Priority.WARNING,
        f"{event.count} more packets were refused in the last {event.seconds:.1f} seconds "
        f"({event.reason.word}), the last one from {event.last_peer}",
    )


def _limit(event: LimitReached) -> Iterator[Line]:
    yield Priority.WARNING, f"* Incoming packet count limit of {event.packets} reached"
    yield Priority.INFO, "Gracefully leaving the fwknopd event loop."
    yield Priority.INFO, f"Packet count limit ({event.packets}) reached. Exiting..."


def _ended(event: GrantEnded, chains: LogChains, debug: bool) -> Iterator[Line]:
    grant = event.grant
    if grant.cycle is not None:
        return  # what closes it has been told, and how that went
    match event.ending:
        case Ending.EXPIRED:
            yield from _removed(grant, chains)
        case Ending.REVOKED:
            yield from ((each, f"{text}, revoked") for each, text in _removed(grant, chains))
        case Ending.CLOSED:
            said = "closed by its owner"
            yield from ((each, f"{text}, {said}") for each, text in _removed(grant, chains))
        case Ending.RENEWED | Ending.FAILED | Ending.NOT_CLOSED:
            return  # ends of cycles only
        case _:
            assert_never(event.ending)
    if debug:
        yield Priority.DEBUG, f"Rule {grant.id} in {chains.input} has ended"


def _removed(grant: Grant, chains: LogChains) -> Iterator[Line]:
    """One line for each rule, numbered as in the original's listing of its chain."""
    until = f"with expire time of {int(grant.ends)}"
    counted: Counter[str] = Counter()
    for _, chain in rules(grant, chains):
        counted[chain] += 1
        yield Priority.INFO, f"Removed rule {counted[chain]} from {chain} {until}"


def _listening(event: Listening) -> Iterator[Line]:
    kind, port = event.service.proto.upper(), event.service.port
    yield Priority.INFO, f"Kicking off {kind} server to listen on port {port}."
    if 6 not in event.families:
        yield Priority.WARNING, "IPv6 is not available: packets are received over IPv4 only."


def _sniffing(event: Sniffing) -> Iterator[Line]:
    for name in event.interfaces or ("any",):
        yield Priority.INFO, f"Sniffing interface: {name}"
    yield from _filter(event.filter)


def _filter(text: str) -> Iterator[Line]:
    if text:
        yield Priority.INFO, f"PCAP filter is: '{text}'"


def _interface(event: InterfaceChanged) -> Line:
    name = event.name
    match event.state:
        case InterfaceState.THERE:
            return Priority.INFO, f"The interface {name} is there, and packets on it are looked at."
        case InterfaceState.DOWN:
            return Priority.WARNING, f"The interface {name} is down."
        case InterfaceState.RENAMED:
            return (
                Priority.WARNING,
                f"The interface that was called {name} has another name now; it is still looked "
                f"at until another one is called {name}.",
            )
        case InterfaceState.GONE:
            there = ", ".join(event.others) or "none"
            return (
                Priority.WARNING,
                f"There is no interface {name}: packets on it are looked at once there is one. "
                f"Interfaces are: {there}.",
            )
        case _:
            assert_never(event.state)


def _attached(event: Attached) -> Iterator[Line]:
    yield from voice_start.jumps(event)
    if event.everything:
        but = f" but {listed(event.public)}" if event.public else ""
        what = f"everything is hidden{but}"
    elif event.hidden:
        what = f"hidden until granted: {listed(event.hidden)}"
    else:
        what = "what is hidden is up to the chains that jump here"
    yield Priority.INFO, f"Attached to the firewall ({event.backend}, {event.way}), {what}"
    if event.adopted:
        yield Priority.INFO, f"{event.adopted} live connections go on."


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
