"""What the server says of events, in the words of fwknopd 2.6.10 and 2.6.11.

In here: one or more log lines for every event: who says them.
Not in here: the words (voice_packets, voice_grants, voice_ways, voice_life,
voice_start, voice_commands), the JSON form (voice_json), where lines are written
and which are left out (edges.report).

Where there is no event of that kind in fwknopd, the words are ours. No line
holds a control character, whatever a packet or a file said. Source: fwknopd
server, section 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop import (
    voice_commands,
    voice_doors,
    voice_dump,
    voice_grants,
    voice_knocks,
    voice_life,
    voice_start,
    voice_ways,
)
from watchword.dialects.fwknop.voice_grants import OfGrants
from watchword.dialects.fwknop.voice_json import structured
from watchword.dialects.fwknop.voice_life import OfLife
from watchword.dialects.fwknop.voice_packets import PacketVoice
from watchword.dialects.fwknop.voice_ways import OfWays
from watchword.dialects.fwknop.voice_words import Line, Priority, said
from watchword.model.daemon_events import (
    Attached,
    AwaitingKnocks,
    InterfaceChanged,
    KeyFile,
    LimitReached,
    Listening,
    LocaleSet,
    ProgramRan,
    Queueing,
    ReadingFile,
    Rotated,
    RunDirectory,
    Sniffing,
    Starting,
    Waiting,
)
from watchword.model.outcomes import (
    AddressShared,
    Changed,
    CommandStarted,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Disowned,
    Event,
    GrantEnded,
    GrantStays,
    Judged,
    Knocked,
    Restored,
)
from watchword.model.settings import LogChains, LogSettings, LogStyle

__all__ = ["Line", "Priority", "Voice", "lines", "structured"]

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

    def _lines(self, event: Event, debug: bool) -> Iterator[Line]:
        match event:
            case Judged() if event.packet.knock is not None:
                yield from voice_knocks.judged(event, self._chains)
            case Judged():
                yield from self._packets.judged(event, debug)
            case CommandStarted() | CycleOpening():
                yield from self._packets.begun(event)
            case CycleClosing() | CycleNotClosed():
                yield voice_commands.closing(event)
            case Starting():
                # stanzas may have new numbers
                self._packets = PacketVoice(self._chains, self._style, whole=self._whole)
                yield from voice_start.starting(event)
            case LocaleSet() | KeyFile() | RunDirectory() | Rotated():
                yield from voice_start.said(event)
            case Knocked():
                yield from voice_doors.lines(event)
            case ProgramRan():
                yield from voice_dump.program(event)
            case _:
                yield from self._others(event, debug)

    def _others(self, event: OfWays | OfGrants | OfLife, debug: bool) -> Iterator[Line]:
        """What there is no need to remember anything for."""
        match event:
            case (
                AddressShared()
                | Attached()
                | Changed()
                | Disowned()
                | GrantEnded()
                | GrantStays()
                | Restored()
            ):
                yield from voice_grants.lines(event, self._chains, debug)
            case (
                Listening()
                | Sniffing()
                | ReadingFile()
                | Queueing()
                | AwaitingKnocks()
                | LimitReached()
                | InterfaceChanged()
                | Waiting()
            ):
                yield from voice_ways.lines(event)
            case _:
                yield from voice_life.lines(event)


def lines(event: Event, log: LogSettings = _DEFAULT) -> Iterator[Line]:
    """The lines of one event on its own. The daemon keeps a ``Voice`` instead."""
    return Voice(log.chains, log.style)(event)
