"""Where the lines of the knock daemon go: the system's log, a file, standard output.

In here: the destinations, looking up names for lines where -l asks for it.
Not in here: the words (dialects.knockd.voice), how much is left out (sparing).

Lines are written in the order in which things happened, by a task of its own, so
that nothing waits for a name or a disk. Source: knockd, section 6.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TextIO

from watchword.dialects.knockd import voice
from watchword.dialects.knockd.voice import Where
from watchword.edges.report.lines import SyslogSink
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, Noise, SesameOpened, Told
from watchword.service.knock.sparing import SECOND, Sparing, concerns_debuggers

NOTICE: Final = 5
_WAITING: Final = 10_000
_NAMES: Final = 1000
_PATIENCE: Final = 2.0


class LogFile:
    """A file that lines are appended to, with the time in front of them."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._file: TextIO = open(path, "a", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115, PTH123 - kept open

    def write(self, line: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M")
        with contextlib.suppress(OSError, ValueError):
            self._file.write(f"[{stamp}] {line}\n")
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.close()


class Names:
    """Names of addresses, looked up once and kept for a while; at most so many."""

    def __init__(self, look_up: Callable[[str], Awaitable[str]]) -> None:
        self._look_up = look_up
        self._known: dict[str, str] = {}

    async def of(self, address: Address) -> str:
        """The name; empty: there is none, or nobody said it in time."""
        text = str(address)
        if text not in self._known:
            if len(self._known) >= _NAMES:
                self._known.clear()
            self._known[text] = await self._look_up(text)
        return self._known[text]


async def look_up(address: str) -> str:
    """Ask the system for the name of an address. Answers within two seconds."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            name, _ = await loop.getnameinfo((address, 0), socket.NI_NAMEREQD)
            return name if name.isascii() and name.isprintable() else ""
    return ""


class Teller:
    """Says events. ``tell`` never waits and never raises."""

    def __init__(self, *, aloud: bool, debug: bool, names: Names | None) -> None:
        """``aloud``: standard output hears every line. ``debug``: and more than that."""
        self.syslog: SyslogSink | None = None
        self.file: LogFile | None = None
        self._aloud = aloud
        self._debug = debug
        self._names = names
        self._events: asyncio.Queue[DoorEvent] = asyncio.Queue()
        self._sparing = Sparing(time.monotonic)

    @property
    def debugging(self) -> bool:
        return self._debug

    def tell(self, event: DoorEvent) -> None:
        """Have an event written down."""
        if concerns_debuggers(event) and not self._debug:
            return
        if self._sparing.admits(event, room=self._events.qsize() < _WAITING):
            self._events.put_nowait(event)

    def flush_noise(self) -> None:
        """Tell how many lines were left out, if there were any."""
        if count := self._sparing.taken():
            self._events.put_nowait(Noise(count))

    async def write_forever(self) -> None:
        """Write what is told, until cancelled."""
        while True:
            self._write(await self._named(await self._events.get()))
            if self._sparing.left_out and self._events.empty():
                await asyncio.sleep(SECOND)
                self.flush_noise()

    def write_rest(self) -> None:
        """Write what waits, at the end of the daemon."""
        self.flush_noise()
        while not self._events.empty():
            self._write(self._events.get_nowait())

    async def _named(self, event: DoorEvent) -> DoorEvent:
        if self._names is None or self._events.qsize() > _NAMES:
            return event
        match event:
            case Told(progress, _):
                return Told(progress, await self._names.of(progress.source))
            case SesameOpened(door, source, _):
                return SesameOpened(door, source, await self._names.of(source))
        return event

    def _write(self, event: DoorEvent) -> None:
        for where, line in voice.lines(event):
            self._put(where, line)

    def _put(self, where: Where, line: str) -> None:
        if where is Where.DEBUG:
            if self._debug:
                self._say(line)
            return
        if where is Where.ERROR:
            with contextlib.suppress(OSError, ValueError):
                print(line, file=sys.stderr, flush=True)
        if self._aloud:
            self._say(line)
        if self.syslog is not None:
            self.syslog.write([(NOTICE, line)])
        if self.file is not None:
            self.file.write(line)

    def say_all(self, lines: Iterable[str]) -> None:
        """Lines that only -v or -D asked for, at once."""
        for line in lines:
            self._say(line)

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, flush=True)

    def close(self) -> None:
        if self.syslog is not None:
            self.syslog.close()
        if self.file is not None:
            self.file.close()
