"""Reporters: events written as lines, or kept for a test to look at.

In here: which priority is written, and where to.
Not in here: the words (a voice is handed in by who wires things up).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TextIO, TypeAlias

from watchword.model.outcomes import Event
from watchword.ports import Reporter

Voice: TypeAlias = Callable[[Event, bool], Iterable[tuple[int, str]]]
"""Turns an event into lines with syslog priorities (3 error, 4 warning, 6 info, 7 debug).

Where the second argument is False nobody wants to hear of priority 7.
"""

INFO, DEBUG = 6, 7
_FACILITIES = {"LOG_USER": 1, "LOG_DAEMON": 3, **{f"LOG_LOCAL{n}": 16 + n for n in range(8)}}


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Sink(Protocol):
    """Somewhere lines go. Never raises."""

    def write(self, lines: Sequence[tuple[int, str]]) -> None: ...

    def close(self) -> None: ...


class StreamSink:
    """Bare lines, for the foreground."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, lines: Sequence[tuple[int, str]]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write("".join(f"{line}\n" for _, line in lines))
            self._stream.flush()

    def close(self) -> None:
        """The stream is not ours to close."""


def connected(path: str = "/dev/log") -> socket.socket:
    """A socket whose datagrams go to the system's log, and that never waits. Raises OSError."""
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class SyslogSink:
    """Datagrams to the system's log; never waits for it.

    What cannot be delivered at once is counted and dropped: a stuck log must
    not hold up a packet. The count is written as soon as the log works again.
    """

    def __init__(
        self,
        identity: str,
        facility: str,
        path: str = "/dev/log",
        *,
        numbered: bool = True,
        connect: Callable[[str], socket.socket] | None = None,
    ) -> None:
        """``numbered``: the process's number stands behind its name. ``connect``: makes the
        socket, as ``connected`` does, which is meant if nothing is given."""
        self._connect = connect or connected
        self.lost = 0
        self._tag = f"{identity}[{os.getpid()}]" if numbered else identity
        self._facility = _FACILITIES[facility] << 3
        self._path = path
        self._socket: socket.socket | None = None

    def write(self, lines: Sequence[tuple[int, str]]) -> None:
        if self.lost and self._send(4, f"{self.lost} lines were lost: the log did not take them"):
            self.lost = 0
        self.lost += sum(not self._send(priority, line) for priority, line in lines)

    def _send(self, priority: int, line: str) -> bool:
        text = f"<{self._facility | priority}>{_stamp()} {self._tag}: {line}"
        for _ in range(2):
            try:
                self._connected().send(text.encode("utf-8", "replace"))
            except OSError:
                self.close()
            else:
                return True
        return False

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._connect(self._path)
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _stamp() -> str:
    """As the system's log wants it; in English, whatever the locale of the process is."""
    now = time.localtime()
    clock = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {clock}"


class LineReporter:
    """Says events with a voice into sinks."""

    def __init__(self, voice: Voice, sinks: Sequence[Sink], *, verbosity: int = 0) -> None:
        self._voice = voice
        self._sinks = tuple(sinks)
        self.verbosity = verbosity
        """0: info and worse; more: debug as well."""
        self.also: list[Callable[[Event], None]] = []
        """Who hears of every event, before it is said. Never raise, never wait."""

    def report(self, event: Event) -> None:
        for hear in self.also:
            hear(event)
        debug = self.verbosity > 0
        threshold = DEBUG if debug else INFO
        lines = [each for each in self._voice(event, debug) if each[0] <= threshold]
        if lines:
            for sink in self._sinks:
                sink.write(lines)

    def redirect(self, voice: Voice, sinks: Sequence[Sink], *, verbosity: int) -> None:
        """From now on into other sinks, with another voice."""
        self.close()
        self._voice, self._sinks, self.verbosity = voice, tuple(sinks), verbosity

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


class MemoryReporter:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is held."""


_lines: type[Reporter] = LineReporter
_memory: type[Reporter] = MemoryReporter
