"""Hits from the kernel's log: a file that syslog writes, or a named pipe.

In here: reading to the end and on, rotation, lines in pieces, lines of others.
Not in here: whose a line is and what it says (wire.kernel_log), who may write there (log_rights).

Where other programs have lines, too, every user of this machine can have one, and ``logger -t
kernel`` looks like the kernel. So that is not read, unless the operator says that it may be.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from watchword.edges.capture.log_rights import opened_log
from watchword.edges.capture.wakings import Wakings
from watchword.edges.clock import SystemClock
from watchword.errors import Complaint, HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.filters import Filter
from watchword.model.hits import Hit
from watchword.model.settings import KnockLog
from watchword.ports import Clock, HitSource, Interest
from watchword.wire.kernel_log import LONGEST, Logged, Other, Stamps, read

PAUSE: Final = 0.1
"""Seconds between two looks at a file: the kernel's news of it are for those who may read it."""
PIECE: Final = 1 << 16
_LOOKED_BACK: Final = 1 << 16
_HEAD: Final = 256  # bytes by which a file that was written anew is told from one that grew


def hits_in(path: Path) -> Iterator[Hit]:
    """Every hit that a log tells of, from its beginning to its end. Raises HostError."""
    try:
        with path.open("rb") as file:
            while octets := file.readline(LONGEST):
                said = read(octets.decode("utf-8", "replace").rstrip("\n"))
                if isinstance(said, Logged):
                    yield said.hit
    except OSError as error:
        raise HostError(
            f"cannot read the log {path}: {error.strerror}", hint="name another with --fw-log"
        ) from None


def doubts(wanted: KnockLog) -> list[Complaint]:
    """Why a log would not be read here, as things are now; of a pipe nothing, it is made."""
    if wanted.pipe:
        return []
    try:
        LogSource(
            wanted, SystemClock(), lambda trouble: None, lambda path, _: opened_log(path)
        ).close()
    except HostError as error:
        return [Complaint(str(error), hint=error.hint, fatal=False)]
    return []


class LogSource:
    """One file or pipe."""

    def __init__(
        self,
        wanted: KnockLog,
        clock: Clock,
        tell: Callable[[HostTrouble], None],
        opened: Callable[[Path, bool], int],
    ) -> None:
        """``opened``: opens a file, or a pipe if the second argument is true, as log_rights does.

        Raises HostError: it cannot be read, or others may write there.
        """
        self.name = f"{'pipe' if wanted.pipe else 'log'}/{wanted.path}"
        self._wanted = wanted
        self._clock = clock
        self._tell = tell
        self._opened = opened
        self._stamps = Stamps()
        self._rest = self._head = b""
        self._others: Counter[Other] = Counter()
        self._mixed = False
        self._said = ""
        self._wakings = Wakings()
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._file = opened(wanted.path, wanted.pipe)
        except OSError as error:
            raise HostError(
                f"cannot read the log {wanted.path}: {error.strerror}",
                hint="name the file with IPT_SYSLOG_FILE, or the pipe with KNOPMD_FIFO",
            ) from None
        if not wanted.pipe:
            self._to_the_end()

    def _to_the_end(self) -> None:
        """What is written there already is over; but it tells who writes there."""
        end = os.lseek(self._file, 0, os.SEEK_END)
        before = os.pread(self._file, _LOOKED_BACK, max(0, end - _LOOKED_BACK))
        lines = before.split(b"\n")[1 if end > _LOOKED_BACK else 0 : -1]
        if not self._wanted.mixed and any(map(self._is_foreign, lines)):
            os.close(self._file)
            raise HostError(
                f"{self._wanted.path} has lines of other programs: any user could write one that "
                "looks like the kernel's, and knock for anybody",
                hint="have syslog write what the kernel says, and no more, to a file or pipe of "
                "its own (docs/knocking.md); with TRUST_SYSLOG_FILE Y it is read all the same",
            )

    def _is_foreign(self, line: bytes) -> bool:
        return self._read(line) is Other.FOREIGN and bool(line.strip())

    def _read(self, line: bytes) -> Logged | Other:
        return read(line.decode("utf-8", "replace"), self._wanted.prefixes)

    @property
    def awaited(self) -> tuple[str, ...]:
        return (f"log {self._wanted.path} of the kernel's lines alone",) if self._mixed else ()

    async def batches(self) -> AsyncIterator[Sequence[tuple[float, Hit]]]:
        if self._wakings.closed:
            return
        if self._wanted.pipe:
            self._wakings.watch(self._file)
        self._again()
        try:
            while await self._wakings.come():
                while not self._wakings.closed and (octets := self._more()):
                    if found := self._hits(octets):
                        yield found
                    await asyncio.sleep(0)  # others have their turn
                if not self._wanted.pipe:
                    self._again()
        finally:
            self.close()

    def _again(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PAUSE, self._wakings.stir)

    def _more(self) -> bytes:
        """The next piece; empty: there is nothing more for now."""
        try:
            if not self._wanted.pipe:
                self._look_for_a_new_beginning()
            octets = os.read(self._file, PIECE)
            if not octets and not self._wanted.pipe and self._turn_to_another():
                octets = os.read(self._file, PIECE)
            if not self._wanted.pipe and len(self._head) < _HEAD:
                self._head = os.pread(self._file, _HEAD, 0)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._say(f"cannot be read: {error.strerror}")
            return b""
        return octets

    def _look_for_a_new_beginning(self) -> None:
        """Begin anew with a file that was cut, or written over. Raises OSError."""
        at = os.lseek(self._file, 0, os.SEEK_CUR)
        head = os.pread(self._file, _HEAD, 0)
        if os.fstat(self._file).st_size < at or not head.startswith(self._head):
            os.lseek(self._file, 0, os.SEEK_SET)
            self._rest = self._head = b""

    def _turn_to_another(self) -> bool:
        """Whether another file has the name now, which is read from its beginning then.

        Raises OSError.
        """
        here = os.fstat(self._file)
        try:
            there = self._wanted.path.stat()
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                return False
            fresh = self._opened(self._wanted.path, False)
        except FileNotFoundError:
            return False
        except HostError as error:
            self._say(str(error).removeprefix(f"{self._wanted.path} "), error.hint)
            return False
        os.close(self._file)
        self._file, self._rest, self._head, self._said = fresh, b"", b"", ""
        return True

    def _hits(self, octets: bytes) -> list[tuple[float, Hit]]:
        *lines, self._rest = (self._rest + octets).split(b"\n")
        if len(self._rest) > LONGEST:
            self._rest = self._rest[:LONGEST]  # no line of the kernel's is as long
        now = self._clock.now().steady
        found: list[Logged] = []
        for line in lines:
            said = self._read(line)
            if isinstance(said, Logged):
                self._stamps.note(said.stamp, now)
                found.append(said)
            elif line.strip():
                self._others[said] += 1
                self._mixed = self._mixed or self._is_somebody_elses(said)
        if self._mixed:
            return []
        return [(self._stamps.at(said.stamp, now), said.hit) for said in found]

    def _is_somebody_elses(self, said: Other) -> bool:
        """Whether it turns out to be one for others as well; that is told once."""
        if said is not Other.FOREIGN or self._wanted.mixed:
            return False
        self._say(
            "has lines of other programs from now on: no knocks are taken from it, because any "
            "user could write one that looks like the kernel's",
            "have syslog write what the kernel says to it, and no more (docs/knocking.md), and "
            "start fwknopd again",
        )
        return True

    def _say(self, what: str, hint: str = "") -> None:
        """Once, until there is something else to say: it is looked at ten times a second."""
        if what != self._said:
            self._said = what
            self._tell(HostTrouble("log", f"{self._wanted.path} {what}", hint))

    def hear(self, wanted: Filter | None) -> None:
        """The rules of the firewall say what is in the log."""

    def narrow(self, interest: Interest) -> None:
        """That is about packets with a payload."""

    def dropped(self) -> Mapping[str, int]:
        return {f"lines: {each.value}": count for each, count in self._others.items()}

    async def aclose(self) -> None:
        self.close()
        await asyncio.sleep(0)

    def close(self) -> None:
        """Let go of it, on whichever thread made it."""
        if self._timer is not None:
            self._timer.cancel()
        self._wakings.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


_: type[HitSource] = LogSource
