"""Where the daemon's log goes, and in which words, as its settings say: also after a reload.

In here: bare lines in the foreground, the system's log otherwise, or both.
Not in here: the words (dialects.fwknop.voice), writing (edges.report).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator, Sequence

from watchword.dialects.fwknop import voice, voice_doors
from watchword.edges.report.lines import INFO, LineReporter, Sink, StreamSink, SyslogSink, Voice
from watchword.model.outcomes import Event, Judged, Knocked
from watchword.model.settings import LogSettings


class Logbook(LineReporter):
    """The reporter of a daemon."""

    def __init__(
        self,
        log: LogSettings,
        *,
        foreground: bool,
        syslog: bool,
        connect: Callable[[str], socket.socket] | None = None,
    ) -> None:
        """``foreground``: lines go to standard error. ``syslog``: to the system's log even so;
        ``connect``: how that is reached, by ourselves if not given."""
        self._connect = connect
        self._foreground = foreground
        self._syslog = syslog or not foreground
        super().__init__(_words(log), self._places(log), verbosity=log.verbosity)

    def follow(self, log: LogSettings) -> None:
        """Go on as these settings say."""
        self.redirect(_words(log), self._places(log), verbosity=log.verbosity)

    def _places(self, log: LogSettings) -> Sequence[Sink]:
        places: list[Sink] = [StreamSink(sys.stderr)] if self._foreground else []
        if log.syslog and self._syslog:
            places.append(self._system_log(log))
        return places

    def _system_log(self, log: LogSettings) -> Sink:
        if self._connect is None:
            return SyslogSink(log.identity, log.facility)
        return SyslogSink(log.identity, log.facility, connect=self._connect)


def _words(log: LogSettings) -> Voice:
    """The classic lines of each event, and one structured line for each judged packet."""
    classic = voice.Voice(log.chains, log.style, verbosity=log.verbosity)

    def lines(event: Event, debug: bool) -> Iterator[tuple[int, str]]:
        yield from classic(event, debug)
        if isinstance(event, Judged):
            yield INFO, voice.structured(event)
        elif isinstance(event, Knocked) and (told := voice_doors.structured(event)):
            yield INFO, told

    return lines
