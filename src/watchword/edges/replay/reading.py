"""The database as another process sees it, while the daemon goes on writing.

For command-line programs that list and export. Nothing in here changes the
database, and none of it makes the daemon wait.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from watchword.edges.clock import boot_id
from watchword.edges.replay import digest_cache, location
from watchword.edges.replay.database import connect
from watchword.edges.replay.journal import changes, unfinished
from watchword.edges.replay.schema import WITH_FORGOTTEN
from watchword.edges.replay.sqlite import first_sighting, newest_forgotten
from watchword.edges.replay.trouble import in_words
from watchword.model.moments import Moment
from watchword.model.openings import Grant
from watchword.model.outcomes import Change
from watchword.model.requests import Claim, ReplayKey, Sighting

_IMPORTED = """
SELECT packet, protocol, source, source_port, destination, destination_port, at
FROM imported ORDER BY rowid
"""
_CLAIMED = """
SELECT packet, protocol, source, source_port, destination, destination_port, at FROM seen
WHERE NOT EXISTS (SELECT 1 FROM imported WHERE packet = seen.packet) ORDER BY rowid
"""

_COUNT = "SELECT (SELECT count(*) FROM seen) + (SELECT count(*) FROM imported)"


def read_grants(state_dir: Path, now: Moment) -> Sequence[Grant]:
    """Grants without an end, oldest first; none where there is no database yet.

    Raises HostError if there is one that cannot be read.
    """
    path = state_dir / location.NAME
    if _absent(path):
        return ()
    with _reader(path) as db:
        return unfinished(db, boot_id(), now)


def read_changes(state_dir: Path, most: int = 1000) -> Sequence[Change]:
    """What people had the daemon do, the last of it first; none where there is no database yet.

    Raises HostError if there is one that cannot be read.
    """
    path = state_dir / location.NAME
    if _absent(path):
        return ()
    with _reader(path) as db:
        return changes(db, most)


def read_claim(state_dir: Path, key: ReplayKey) -> tuple[Claim, Sighting | None]:
    """What the daemon's store would say of a key, and how it arrived first. Claims nothing.

    Raises HostError if there is a database that cannot be read.
    """
    path = state_dir / location.NAME
    if _absent(path):
        return Claim.FIRST, None
    with _reader(path) as db:
        sighting = first_sighting(db, key)
        if sighting is not None:
            return Claim.KNOWN, sighting
        [version] = db.execute("PRAGMA user_version").fetchone()
        beyond = version >= WITH_FORGOTTEN and key.sent_at <= newest_forgotten(db)
        return (Claim.BEYOND_MEMORY if beyond else Claim.FIRST), None


def export_digest_cache(state_dir: Path) -> Iterator[str]:
    """The lines of a digest.cache for fwknopd: what was imported, then what was claimed, in order.

    Raises HostError if the database cannot be read, before the first line or
    in between. Without a database there is only the header.
    """
    path = state_dir / location.NAME
    if _absent(path):
        yield digest_cache.HEADER
        return
    with _reader(path) as db:
        rows = chain(db.execute(_IMPORTED), db.execute(_CLAIMED))
        seen = ((packet, Sighting(*sighting)) for packet, *sighting in rows)
        yield from digest_cache.write(seen)


def remembered(state_dir: Path) -> tuple[int, int]:
    """How many packets are remembered, and the bytes that all of the database takes on disk.

    Raises HostError if there is one that cannot be read.
    """
    path = state_dir / location.NAME
    if _absent(path):
        return 0, 0
    with _reader(path) as db:
        [count] = db.execute(_COUNT).fetchone()
    parts = state_dir.glob(f"{location.NAME}*")
    return int(count), sum(each.stat().st_size for each in parts)


def _absent(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError as error:
        raise in_words(path, error) from error
    return False


@contextmanager
def _reader(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Root may read the database of the daemon's user."""
    try:
        owner = path.parent.stat().st_uid if os.geteuid() == 0 else None
        location.check(path, owner)
        with closing(connect(path, "ro")) as db:
            yield db
    except (sqlite3.Error, OSError) as error:
        raise in_words(path, error) from error
