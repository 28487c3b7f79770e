"""The replay store that lasts, and the store as a whole: one file for it and the journal.

In here: claiming, forgetting, fwknop's digest.cache into it.
Not in here: the file and its thread (database), grants (journal), reading
from another process (reading).

Digests are random, so an index on them alone has each insertion touch a page
of its own among all there are. Both indexes begin with the sender's time
stamp instead, and insertions touch the youngest pages, however much is
remembered. Many rows in one statement cost a third less than a statement for
each, and give the interpreter lock away once for all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from watchword.edges.replay import digest_cache
from watchword.edges.replay.database import Channel, create
from watchword.edges.replay.journal import SqliteJournal
from watchword.edges.replay.location import NAME, prepare_folder
from watchword.edges.replay.session import Session, Worker
from watchword.errors import Complaint, HostError
from watchword.model.requests import Claim, ReplayKey, Sighting
from watchword.ports import ReplayStore

_Row: TypeAlias = tuple[int, bytes, bytes, int, str, int, str, int, float, float | None]
"""As table ``seen`` has it: time stamp, plaintext digest, packet digest, sighting, until."""

_SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # rows of a statement; few texts stay compiled
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CLAIM = {
    size: f"INSERT INTO seen VALUES {', '.join([_ROW] * size)} ON CONFLICT DO NOTHING"  # noqa: S608 - only placeholders
    for size in _SIZES
}
_NEWEST = "SELECT sent_at, plaintext, packet FROM seen WHERE rowid > ?"
_HEED_IMPORTED = """
CREATE TRIGGER IF NOT EXISTS heed_imported BEFORE INSERT ON seen
WHEN EXISTS (SELECT 1 FROM imported WHERE packet = NEW.packet)
BEGIN
    SELECT RAISE(IGNORE);
END
"""  # made by the first import: it costs every claim 1 µs, in this and all other processes
_IMPORT = "INSERT INTO imported VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_FIRST = """
SELECT protocol, source, source_port, destination, destination_port, at FROM seen
WHERE sent_at = :sent_at AND (packet = :packet OR plaintext = :plaintext)
ORDER BY packet = :packet DESC LIMIT 1
"""
_FIRST_IMPORTED = """
SELECT protocol, source, source_port, destination, destination_port, at FROM imported
WHERE packet = :packet
"""
_FORGET = """
DELETE FROM seen WHERE rowid IN
    (SELECT rowid FROM seen WHERE until < ? ORDER BY until, rowid LIMIT ?)
"""
_NOTE_FORGOTTEN = """
INSERT INTO forgotten SELECT 1, coalesce(max(sent_at), -1) FROM
    (SELECT sent_at FROM seen WHERE until < ? ORDER BY until, rowid LIMIT ?) WHERE true
ON CONFLICT (one) DO UPDATE SET sent_at = max(sent_at, excluded.sent_at)
"""
_FORGOTTEN = "SELECT coalesce(max(sent_at), -1) FROM forgotten"
_NOTE_GIVEN_UP = """
INSERT INTO forgotten SELECT 1, coalesce(max(stamp), -1) FROM (
    SELECT sent_at AS stamp FROM seen WHERE max(at, sent_at) < ?1 AND until IS NULL
    UNION ALL SELECT CAST(at AS INTEGER) FROM imported WHERE at < ?1
) WHERE true
ON CONFLICT (one) DO UPDATE SET sent_at = max(sent_at, excluded.sent_at)
"""
_GIVE_UP = (
    "DELETE FROM imported WHERE ?1 IS NULL OR at < ?1",
    "DELETE FROM seen WHERE ?1 IS NULL OR (max(at, sent_at) < ?1 AND until IS NULL)",
)
FEW = 4  # keys that are claimed without a change of thread: callers one by one, not a crowd
_IMPORT_ROWS = 1000  # in one transaction


class SqliteReplayStore:
    """Remembers keys on disk. Several processes may use one file."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, keys: Sequence[ReplayKey]) -> Sequence[Claim]:
        rows = [_row(key) for key in keys]
        if not rows:
            return []
        few = len(rows) <= FEW
        return await self._session.transaction(lambda db: _claim(db, rows), briefly=few)

    async def first_sighting(self, key: ReplayKey) -> Sighting | None:
        return await self._session.transaction(lambda db: first_sighting(db, key))

    async def forget(self, before: float) -> int:
        return await self._session.delete(_FORGET, before, first=_NOTE_FORGOTTEN)

    async def give_up(self, before: float | None) -> int:
        """Drop what arrived, and bears a stamp of, before these Unix seconds; None: all.

        Of keys that have an ``until`` nothing is dropped before it, unless all is. What is dropped
        is BEYOND_MEMORY from then on, as with ``forget``; if all is, it counts again. Returns how
        many there were. Raises HostError: nothing was dropped.
        """

        def give_up(db: sqlite3.Connection) -> int:
            if before is not None:
                db.execute(_NOTE_GIVEN_UP, (before,))
            return sum(db.execute(each, (before,)).rowcount for each in _GIVE_UP)

        return await self._session.transaction(give_up)

    async def remembered(self) -> int:
        """How many entries it has. Walks two indexes: for reports, not for every packet."""
        count = "SELECT (SELECT count(*) FROM seen) + (SELECT count(*) FROM imported)"
        [number] = await self._session.transaction(lambda db: db.execute(count).fetchone())
        return int(number)

    async def import_digest_cache(
        self, text: str, file: str = "digest.cache"
    ) -> tuple[int, Sequence[Complaint]]:
        """Take over the content of a digest.cache; doing it again adds nothing.

        Entries are kept for ever, beside what was claimed. Returns how many
        were not taken over before, and a complaint for each bad line;
        ``file`` is what the complaints call the file. Raises HostError: part
        of it may have been taken over, so do it again.
        """
        entries, complaints = digest_cache.read(text, file)
        rows = [(packet, *sighting) for packet, sighting in entries]
        imported = 0
        for start in range(0, len(rows), _IMPORT_ROWS):
            some = partial(_import, rows=rows[start : start + _IMPORT_ROWS])
            imported += await self._session.transaction(some)
        return imported, complaints

    async def aclose(self) -> None:
        await self._session.aclose()


class SqliteStore:
    """Replay store and journal in one file of the state directory."""

    def __init__(self, state_dir: Path, boot_id: str) -> None:
        path = state_dir / NAME
        self._worker = Worker()
        self._channel = Channel(path)
        self.created = False
        """True: there was no memory of earlier packets, it begins now."""
        self.keys = SqliteReplayStore(Session(self._worker, self._channel, durable=True))
        journal = Session(self._worker, self._channel, durable=True)
        self.journal = SqliteJournal(journal, boot_id)
        try:
            prepare_folder(state_dir)
            self.created = create(path)
            self._worker.run_now(lambda: self._channel.transaction(lambda _: None, durable=True))
        except BaseException:
            self._worker.run_now(self._channel.close)
            self._worker.close()
            raise

    @classmethod
    def open(cls, state_dir: Path, *, boot_id: str) -> SqliteStore:
        """Open the database in ``state_dir``, or make directory and database where missing.

        ``boot_id`` names the running boot (edges.clock). Blocks for some
        milliseconds, however much is remembered.

        Raises HostError, with a remedy: the file is damaged, foreign, newer
        than this program, or others may write it. It is never replaced.
        """
        return cls(state_dir, boot_id)

    async def aclose(self) -> None:
        """Close both. May be called again."""
        await self.keys.aclose()
        await self.journal.aclose()
        with suppress(HostError):  # closed before
            await self._worker.run(self._channel.close)
        self._worker.close()


def first_sighting(db: sqlite3.Connection, key: ReplayKey) -> Sighting | None:
    """How a key, or another spelling of its packet, arrived the first time."""
    return _known(db, key.sent_at, key.plaintext, key.packet)


def newest_forgotten(db: sqlite3.Connection) -> int:
    """The newest time stamp of all that was forgotten; -1: nothing was."""
    [sent_at] = db.execute(_FORGOTTEN).fetchone()
    return int(sent_at)


def _known(
    db: sqlite3.Connection, sent_at: int, plaintext: bytes, packet: bytes
) -> Sighting | None:
    names = {"sent_at": sent_at, "packet": packet, "plaintext": plaintext}
    row = db.execute(_FIRST, names).fetchone() or db.execute(_FIRST_IMPORTED, names).fetchone()
    return Sighting(*row) if row else None


def _row(key: ReplayKey) -> _Row:
    return (key.sent_at, key.plaintext, key.packet, *key.sighting, key.until)


def _import(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    db.execute(_HEED_IMPORTED)
    return db.executemany(_IMPORT, rows).rowcount


def _claim(db: sqlite3.Connection, rows: Sequence[_Row]) -> list[Claim]:
    """What is newer than all that was forgotten is inserted; the rest is known or nobody knows."""
    forgotten = newest_forgotten(db)
    inserted = iter(_insert(db, [row for row in rows if row[0] > forgotten]))
    return [
        (Claim.FIRST if next(inserted) else Claim.KNOWN)
        if row[0] > forgotten
        else (Claim.KNOWN if _known(db, *row[:3]) else Claim.BEYOND_MEMORY)
        for row in rows
    ]


def _insert(db: sqlite3.Connection, rows: Sequence[_Row]) -> list[bool]:
    """Insert in order what is not there yet; say for each row whether it was inserted."""
    answers: list[bool] = []
    for size in _SIZES:
        while len(rows) - len(answers) >= size:
            some = rows[len(answers) : len(answers) + size]
            cursor = db.execute(_CLAIM[size], tuple(chain.from_iterable(some)))
            if cursor.rowcount == size:
                answers += [True] * size
            else:
                answers += _inserted(db, some, cursor)
    return answers


def _inserted(db: sqlite3.Connection, rows: Sequence[_Row], cursor: sqlite3.Cursor) -> list[bool]:
    """Which rows the statement just run has inserted. They have the highest numbers, one by one.

    Of rows with all digests equal it can only have been the first.
    """
    if not cursor.rowcount:
        return [False] * len(rows)
    last = cursor.lastrowid or 0
    fresh = set(db.execute(_NEWEST, (last - cursor.rowcount,)))
    answers = []
    for row in rows:
        digests = row[:3]
        answers.append(digests in fresh)
        fresh.discard(digests)
    return answers


_: type[ReplayStore] = SqliteReplayStore
