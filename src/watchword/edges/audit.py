"""The files of the audit journal: appended to, rotated, read back.

In here: ``audit.log``, which only grows; what it was before, ``audit-<number of its first
entry>.log``; ``audit.head``, how far it goes.
Not in here: what lines and head say (dialects.audit), when anything is written
(service.daemon.audit).

Everything is 0600 from the first call on. Whatever the machine refuses is a HostError.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from watchword.edges.files import sync_folder
from watchword.edges.portable import flags
from watchword.errors import HostError
from watchword.record import record

CURRENT: Final = "audit.log"
HEAD: Final = "audit.head"
ROTATES_AT: Final = 16 << 20  # bytes; about 40,000 entries
KEPT: Final = 9  # files beside the current one
_LONGEST: Final = 65_536  # bytes of a line
_OLDER = re.compile(r"audit-(\d{15})\.log")
_APPEND: Final = flags("RDWR", "APPEND", "CREAT", "NOFOLLOW", "CLOEXEC", "NONBLOCK")
_IN_PLACE: Final = flags("RDWR", "CREAT", "NOFOLLOW", "CLOEXEC", "NONBLOCK")


@record
class Found:
    """How the journal was left behind."""

    first: bytes
    """The first line of the current file; empty: there is none."""
    last: bytes
    """The last whole line, of whichever file; empty: there is none."""
    torn: bytes
    """What stood behind it, begun and never ended. It has been cut off."""
    head: bytes


class AuditFiles:
    """Appends to the journal in a folder. One process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = -1
        self._head = -1
        self._half_written = False
        self.size = 0
        """Bytes in the current file."""

    def open(self) -> Found:
        """Open or create the files; cut off what was not written to its end."""
        with _refusing(self._folder):
            self._log = _opened(self._folder / CURRENT, _APPEND)
            self._head = _opened(self._folder / HEAD, _IN_PLACE)
            torn, last = self._cut_torn()
            if not last and (older := _older(self._folder)):
                last = _last_line(older[-1])
            first = os.pread(self._log, _LONGEST, 0).partition(b"\n")[0] if self.size else b""
            return Found(first, last, torn, os.pread(self._head, 1000, 0))

    def append(self, lines: bytes, head: bytes) -> None:
        """Write whole lines, then how far they go. On HostError there is nothing new of them."""
        with _refusing(self._folder):
            self._come_back()
            self._half_written = True
            try:
                _write(self._log, lines)
                os.fdatasync(self._log)
                os.pwrite(self._head, head, 0)
            except OSError:
                self._take_back()
                raise
            self._half_written = False
            self.size += len(lines)

    def _take_back(self) -> None:
        os.ftruncate(self._log, self.size)
        self._half_written = False

    def _come_back(self) -> None:
        """To the file of that name, if what we have open is another; to its last whole line."""
        if self._half_written:
            self._take_back()
        path = self._folder / CURRENT
        try:
            moved = self._log < 0 or path.stat().st_ino != os.fstat(self._log).st_ino
        except FileNotFoundError:
            moved = True
        if moved:
            fresh = _opened(path, _APPEND)
            if self._log >= 0:
                os.close(self._log)
            self._log = fresh
        self.size = os.fstat(self._log).st_size

    def rotate(self, first: int) -> int | None:
        """Begin a new file; ``first`` is the number of the first entry in the current one.

        The oldest go. Returns the first entry's number of the oldest file that is kept.
        """
        with _refusing(self._folder):
            current = self._folder / CURRENT
            current.rename(self._folder / f"audit-{first:015}.log")
            self._come_back()
            sync_folder(self._folder)
            older = _older(self._folder)
            for path in older[:-KEPT]:
                path.unlink()
            return number_of(older[-KEPT:][0])

    def close(self) -> None:
        for descriptor in (self._log, self._head):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._head = -1

    def _cut_torn(self) -> tuple[bytes, bytes]:
        """What has no end, which is cut off, and the last line before it."""
        size = os.fstat(self._log).st_size
        tail = os.pread(self._log, 2 * _LONGEST, max(0, size - 2 * _LONGEST))
        whole, newline, torn = tail.rpartition(b"\n")
        if not newline and size > len(tail):
            raise FileExistsError(0, f"{CURRENT} is no audit journal")
        self.size = size - len(torn)
        if torn:
            os.ftruncate(self._log, self.size)
        return torn, whole.rpartition(b"\n")[2] if newline else b""


def journal(folder: Path) -> list[Path]:
    """Every file of the journal in a folder, in the order in which they were written."""
    current = folder / CURRENT
    with _refusing(folder):
        return [*_older(folder), *([current] if current.exists() else [])]


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, each with its newline; one that is too long comes in pieces."""
    with _refusing(path.parent), path.open("rb") as file:
        while line := file.readline(_LONGEST + 1):
            yield line


def head(folder: Path) -> bytes:
    """What is noted of how far the journal goes; empty: nothing."""
    with _refusing(folder):
        try:
            with (folder / HEAD).open("rb") as file:
                return file.read(1000)
        except FileNotFoundError:
            return b""


def number_of(path: Path) -> int | None:
    """The number in the name of an older file."""
    found = _OLDER.fullmatch(path.name)
    return int(found[1]) if found else None


def _older(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(path for path in folder.iterdir() if _OLDER.fullmatch(path.name))


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * _LONGEST))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2]


def _opened(path: Path, how: int) -> int:
    descriptor = os.open(path, how, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise FileExistsError(0, f"{path.name} is not a regular file")
        if stat.S_IMODE(mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(
            f"the audit journal in {folder}: {error.strerror or error}",
            hint="check free space and permissions there",
        ) from error
