"""Packets from a capture file, read to its end and followed while somebody writes it.

In here: growing, truncation, rotation, damage.
Not in here: the format (wire.pcap), the kernel's news (changes), frames (wire).

A file that was begun anew, under the same name or cut to nothing, is read from
its beginning. Reading something twice does no harm: what was accepted once is
known to the replay store.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from watchword.edges.capture.changes import Changes
from watchword.edges.capture.requests import Requests, in_words
from watchword.edges.capture.sieve_code import compile_filter
from watchword.edges.capture.wakings import Wakings
from watchword.errors import HostError, OperatorError
from watchword.model.daemon_events import HostTrouble
from watchword.model.filters import Filter
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.ports import Interest, PacketSource
from watchword.wire import bpf
from watchword.wire.bpf import Program
from watchword.wire.frames import network_of, packet_above
from watchword.wire.pcap import Reader

BATCH = 64  # packets handed over at a time: a file can wait, so nobody has to be turned away
PIECE = 1 << 16  # bytes of one read: a few milliseconds of work
_HEAD = 512  # bytes by which a file that was written anew is told from one that grew
_WHOLE = 65535


def opened(path: Path) -> int:
    """A descriptor to read from, which waits for nobody to write. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


class FileSource:
    """One capture file, there or still to come."""

    def __init__(
        self,
        path: Path,
        tests: Filter | Program | None,
        requests: Requests | None = None,
        tell: Callable[[HostTrouble], None] = lambda trouble: None,
        opened: Callable[[Path], int] = opened,
        *,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        """``tell`` is told when the file is not there, or no capture any more; ``opened``
        opens a file for reading, or raises OSError; ``found`` is called when there is one, be it
        the first or another one.

        Raises HostError: its folder is not there, it cannot be read, or is
        something else than a file.
        """
        self.name = f"file/{path}"
        self.flaws: Counter[Reason] = Counter()
        """How many packets were dropped on their bytes alone, by reason."""
        self._path = path
        self._requests = requests or Requests()
        self._tell = tell
        self._opened = opened
        self._found = found
        self._program = compile_filter(tests, None, longest=_WHOLE)
        self._wakings = Wakings()
        self._others = 0
        self._file = -1
        self._inode = (0, 0)
        self._head = b""
        self._damaged = False
        self._reader = Reader()
        self._cut: tuple[int, Reader] | None = None
        """Where and how it would go on if its writer did not notice that it was cut."""
        self._changes = Changes(path)
        try:
            self._open()
        except HostError:
            self._close()
            raise
        if self._file < 0:
            self._say("does not exist; packets are read once it does")

    @property
    def families(self) -> tuple[int, ...]:
        return (4, 6)

    @property
    def awaited(self) -> tuple[str, ...]:
        """The file, as long as there is none."""
        return () if self._file >= 0 else (f"file {self._path}",)

    def _say(self, what: str) -> None:
        self._tell(HostTrouble("capture file", f"{self._path} {what}"))

    def _open(self) -> bool:
        """Turn to the file that has the name now; whether it is another one than before."""
        try:
            opened = self._opened(self._path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HostError(
                f"cannot read the capture file {self._path}: {error.strerror}"
            ) from None
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode) or (about.st_dev, about.st_ino) == self._inode:
            os.close(opened)
            if not stat.S_ISREG(about.st_mode):
                raise HostError(
                    f"the capture file {self._path} is no regular file",
                    hint="name in PCAP_FILE the file that tcpdump -w or ulogd writes",
                )
            return False
        if self._file >= 0:
            os.close(self._file)
        self._file, self._inode = opened, (about.st_dev, about.st_ino)
        self._changes.watch(self._path)
        self._begin()
        self._found()
        return True

    def _begin(self, cut: tuple[int, Reader] | None = None) -> None:
        os.lseek(self._file, 0, os.SEEK_SET)
        self._reader, self._head, self._damaged, self._cut = Reader(), b"", False, cut

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        try:
            if not self._wakings.closed:
                self._wakings.watch(self._changes.descriptor)
                self._wakings.stir()  # there may be something to read already
            while await self._wakings.come():
                self._changes.hear()
                while not self._wakings.closed and (octets := self._more()):
                    found = self._packets(octets)
                    for at in range(0, len(found), BATCH):
                        yield found[at : at + BATCH]
                    await asyncio.sleep(0)  # others have their turn, however long the file
        finally:
            self._close()

    def _more(self) -> bytes:
        """The next piece; empty: there is nothing more for now."""
        try:
            if self._file >= 0:
                self._look_for_a_new_beginning()
                if octets := self._read():
                    return octets
            if self._open():
                return self._read()
        except OSError as error:
            self._say(f"cannot be read: {error.strerror}")
        except HostError as error:
            self._tell(HostTrouble("capture file", str(error)))
        return b""

    def _look_for_a_new_beginning(self) -> None:
        """Begin anew with a file that was cut to less than what was read, or written over."""
        at = os.lseek(self._file, 0, os.SEEK_CUR)
        if os.fstat(self._file).st_size < at:
            self._begin(cut=(at, self._reader))
        elif os.pread(self._file, len(self._head), 0) != self._head:
            self._begin()

    def _read(self) -> bytes:
        octets = os.read(self._file, PIECE)
        if self._cut is not None and octets:
            at, reader = self._cut
            self._cut = None
            if not octets[0]:  # a hole: the writer goes on where it was
                os.lseek(self._file, at, os.SEEK_SET)
                self._reader = reader
                octets = os.read(self._file, PIECE)
        if len(self._head) < _HEAD and octets:
            self._head = os.pread(self._file, _HEAD, 0)
        return octets

    def _packets(self, octets: bytes) -> list[Packet]:
        """The packets in a piece. Of a damaged file nothing more is read until it is begun anew."""
        if self._damaged:
            return []
        try:
            records = self._reader.feed(octets)
        except OperatorError as error:
            self._damaged = True
            said = error.complaints[0]
            hint = f" ({said.hint})" if said.hint else ""
            self._say(f"is skipped until it is begun anew: {said.message}{hint}")
            return []
        link = self._reader.link
        found = []
        for record in records:
            kind, content = network_of(record.frame, link) if link is not None else (0, b"")
            if bpf.run(self._program, content, kind):
                packet = self._packet(kind, content)
                if packet is not None:
                    found.append(packet)
        return found

    def _packet(self, kind: int, content: bytes) -> Packet | None:
        packet = packet_above(kind, content)
        if packet is None:
            self._others += 1
            return None
        return self._requests.sift(packet, self.flaws)

    def narrow(self, interest: Interest) -> None:
        """There is no kernel here to ask."""

    def dropped(self) -> Mapping[str, int]:
        return {**in_words(self.flaws), "no whole packet": self._others}

    async def aclose(self) -> None:
        self._close()
        await asyncio.sleep(0)

    def _close(self) -> None:
        self._wakings.close()
        if self._changes.descriptor >= 0:
            self._changes.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


_: type[PacketSource] = FileSource
