"""The replay store that lasts, and the store as a whole: one file for it and the journal.

In here: claiming, forgetting, fwknop's digest.cache into it.
Not in here: the file and its thread (database), grants (journal), reading
from another process (reading).

Measured: a batch of one costs a disk synchronisation; in batches of 1,000 a
key costs about 6 µs in a small database and 40 to 60 µs beside a million
others, nearly all of it pages of the two indexes. The table keeps the order
of arrival: with the packet digest as primary key instead it was a sixth
larger and slower; inserting by executemany or by one statement for many keys
was no faster than one statement for each key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from watchword.edges.replay import digest_cache
from watchword.edges.replay.database import Channel, Session, Worker, create
from watchword.edges.replay.journal import SqliteJournal
from watchword.edges.replay.location import NAME, prepare_folder
from watchword.errors import Complaint
from watchword.model.requests import ReplayKey, Sighting
from watchword.ports import ReplayStore

_Row: TypeAlias = tuple[bytes, bytes | None, int, str, int, str, int, float, float | None]

_CLAIM = "INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_FIRST = """
SELECT protocol, source, source_port, destination, destination_port, at FROM seen
WHERE packet = ? OR plaintext = ? ORDER BY packet = ? DESC LIMIT 1
"""
_FORGET = """
DELETE FROM seen WHERE rowid IN
    (SELECT rowid FROM seen WHERE until < ? ORDER BY until LIMIT ?)
"""
_IMPORT_ROWS = 1000  # in one transaction


class SqliteReplayStore:
    """Remembers keys on disk. Several processes may use one file."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, keys: Sequence[ReplayKey]) -> Sequence[bool]:
        rows = [_row(key) for key in keys]
        return await self._session.transaction(lambda db: _claim(db, rows)) if rows else []

    async def first_sighting(self, key: ReplayKey) -> Sighting | None:
        return await self._session.transaction(lambda db: first_sighting(db, key))

    async def forget(self, before: float) -> int:
        return await self._session.delete(_FORGET, before)

    async def remembered(self) -> int:
        """How many packets it knows. Walks an index: for reports, not for every packet."""
        count = "SELECT count(*) FROM seen"
        [number] = await self._session.transaction(lambda db: db.execute(count).fetchone())
        return int(number)

    async def import_digest_cache(
        self, text: str, file: str = "digest.cache"
    ) -> tuple[int, Sequence[Complaint]]:
        """Take over the content of a digest.cache; doing it again adds nothing.

        Returns how many keys were new, and a complaint for each bad line;
        ``file`` is what the complaints call the file. Raises HostError: part
        of it may have been taken over, so do it again.
        """
        keys, complaints = digest_cache.read(text, file)
        imported = 0
        for start in range(0, len(keys), _IMPORT_ROWS):
            imported += sum(await self.claim(keys[start : start + _IMPORT_ROWS]))
        return imported, complaints

    async def aclose(self) -> None:
        await self._session.aclose()


class SqliteStore:
    """Replay store and journal in one file of the state directory."""

    def __init__(self, state_dir: Path, boot_id: str) -> None:
        path = state_dir / NAME
        self._worker = Worker()
        keys = Session(self._worker, Channel(path, durable=True))
        journal = Session(self._worker, Channel(path, durable=False))
        self.created = False
        """True: there was no memory of earlier packets, it begins now."""
        self.keys = SqliteReplayStore(keys)
        self.journal = SqliteJournal(journal, boot_id)
        try:
            prepare_folder(state_dir)
            self.created = create(path)
            keys.open()
            journal.open()
        except BaseException:
            keys.close()
            journal.close()
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
        self._worker.close()


def first_sighting(db: sqlite3.Connection, key: ReplayKey) -> Sighting | None:
    """How a key, or another spelling of its packet, arrived the first time."""
    row = db.execute(_FIRST, (key.packet, key.plaintext, key.packet)).fetchone()
    return Sighting(*row) if row else None


def _row(key: ReplayKey) -> _Row:
    return (key.packet, key.plaintext, *key.sighting, key.until)


def _claim(db: sqlite3.Connection, rows: Sequence[_Row]) -> list[bool]:
    insert = db.cursor().execute
    return [insert(_CLAIM, row).rowcount == 1 for row in rows]


_: type[ReplayStore] = SqliteReplayStore
