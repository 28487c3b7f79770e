"""The database file: how it comes into being, and one connection to it.

In here: creation, the checks at opening, transactions.
Not in here: its tables (schema), by which thread (session), what is stored (sqlite, journal), who
may own the file (location).

The file is complete before it gets its name, so an empty or half-made one is
damage, and damage is never answered with a new, empty memory.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from watchword.edges.files import create_private
from watchword.edges.replay import location
from watchword.edges.replay.schema import (
    APPLICATION_ID,
    VERSION,
    bring_up_to_date,
    is_whole,
    make,
)
from watchword.edges.replay.trouble import damaged, foreign, in_words
from watchword.errors import HostError

Answer = TypeVar("Answer")

BUSY_SECONDS = 2.0  # how long another process may hold us up
LOG_BYTES = 2001 * 4120  # of the log, when it has as many pages as are copied back together
_PRAGMAS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA fullfsync = ON",  # where fsync alone does not reach the disk (macOS)
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA secure_delete = OFF",  # digests are no secret; zeroing them costs
    "PRAGMA temp_store = MEMORY",  # who reads packets may write no other file; it is little
    "PRAGMA cache_size = -8000",  # KiB; the inner pages of millions of keys
    "PRAGMA wal_autocheckpoint = 2000",  # pages; more hold one claim up for longer
    "PRAGMA journal_size_limit = 33554432",  # bytes; a longer log is cut after a burst
)


def create(path: Path) -> bool:
    """Make a new database if there is no file of that name; return whether it was made.

    Raises HostError.
    """
    if path.is_symlink() or path.exists():
        return False
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        make(connection)
        image = bytearray(connection.serialize())
    image[18:20] = b"\x02\x02"  # file format versions 2: write-ahead log, from the first byte on
    return create_private(path, bytes(image))


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open an existing database of ours, ``mode`` "rw" or "ro". Raises sqlite3.Error, HostError."""
    uri = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
    )
    try:
        _verify(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _verify(connection: sqlite3.Connection, path: Path) -> None:
    """Look at the header and the schema, never at all of the rows."""
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise foreign(path, "is the database of another program")
    if version > VERSION:
        newer = f"was written by a newer Watchword (format {version}, known here: {VERSION})"
        raise foreign(path, newer)
    if not is_whole(connection, version):
        raise damaged(path, "its tables are not there")


class OccupiedError(Exception):
    """Somebody else is writing just now."""


def _is_busy(error: Exception) -> bool:
    """Whether nothing has begun, because another connection writes."""
    return (
        isinstance(error, sqlite3.OperationalError)
        and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _lay_out_log(path: Path) -> None:
    """Fill the log up with zeros to the size it grows to, if there is plenty of room.

    A commit that overwrites reaches the disk in two thirds of the time that
    one takes which makes the file longer. SQLite takes zeros for no frames.
    """
    log = path.with_name(path.name + "-wal")
    with suppress(OSError):
        system = os.statvfs(path)
        missing = LOG_BYTES - log.stat().st_size
        if missing <= 0 or system.f_bavail * system.f_frsize < 16 * LOG_BYTES:
            return
        with log.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())


class Channel:
    """One connection, used by one thread at a time.

    After any trouble it is dropped, whatever it had begun is undone, and the
    next transaction opens it again, with all the checks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synchronous = ""
        self._patience = BUSY_SECONDS
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._closed = False
        self._lock = threading.Lock()

    def transaction(self, work: Callable[[sqlite3.Connection], Answer], durable: bool) -> Answer:
        """Do all of the work, or nothing. Raises HostError.

        ``durable``: what is committed has reached the disk. Otherwise it survives the
        process, and reaches the disk with the next durable commit or checkpoint.
        """
        with self._lock:
            return self._transaction(work, durable, BUSY_SECONDS)

    def at_once(self, work: Callable[[sqlite3.Connection], Answer], durable: bool) -> Answer:
        """The same, without waiting for anybody but the disk.

        Raises OccupiedError, and has done nothing, while another thread or process writes.
        """
        if not self._lock.acquire(blocking=False):
            raise OccupiedError
        try:
            return self._transaction(work, durable, patience=0.0)
        finally:
            self._lock.release()

    def _transaction(
        self, work: Callable[[sqlite3.Connection], Answer], durable: bool, patience: float
    ) -> Answer:
        try:
            connection = self._connection or self._connect()
            self._check_still_there()
            self._adjust(connection, "FULL" if durable else "NORMAL", patience)
            connection.execute("BEGIN IMMEDIATE")
            answer = work(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            begun = self._connection is not None and self._connection.in_transaction
            if not patience and _is_busy(error) and not begun:
                raise OccupiedError from error
            self._drop()
            raise in_words(self._path, error) from error
        except BaseException:
            self._drop()
            raise
        return answer

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise HostError(f"{self._path} was closed")
        self._file = location.check(self._path)
        self._connection = connect(self._path, "rw")
        self._synchronous, self._patience = "", BUSY_SECONDS
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        [mode] = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            hint = "name a state directory on a local disk"
            raise HostError(f"{self._path}: no write-ahead log here", hint=hint)
        self._connection.execute("BEGIN IMMEDIATE")
        bring_up_to_date(self._connection)  # it writes in any case, so that there is a log
        self._connection.execute("COMMIT")
        _lay_out_log(self._path)
        return self._connection

    def _adjust(self, connection: sqlite3.Connection, level: str, patience: float) -> None:
        """How much a commit waits for the disk, and a beginning for somebody else's end."""
        if level != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level
        if patience != self._patience:
            connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
            self._patience = patience

    def _check_still_there(self) -> None:
        """A file that was removed takes every further claim, and loses it with this process."""
        status = self._path.stat()
        if (status.st_dev, status.st_ino) != self._file:
            hint = "restart, so that nothing of before is relied on"
            raise HostError(f"{self._path} was replaced while in use", hint=hint)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                connection.close()
