"""The form of the database file: its tables, and what each version of them brought.

In here: statements, which tables a version has, bringing an older one up to date.
Not in here: files, connections and their checks (database), rows (sqlite, journal).
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x57_57_52_44  # "WWRD", in the header of the file
VERSION = 6
WITH_CYCLES, WITH_CHANGES, WITH_FORGOTTEN = 2, 3, 4  # since when there are tables of these names
WITH_LEADS, WITH_PARTICULARS = 5, 6  # since when grants have them
_OLDEST = 1  # brought up to date when it is opened for writing
_TABLES = {"seen", "imported", "grants"}
_SCHEMA = """
CREATE TABLE seen (
    sent_at INTEGER NOT NULL,
    plaintext BLOB NOT NULL,
    packet BLOB NOT NULL,
    protocol INTEGER NOT NULL,
    source TEXT NOT NULL,
    source_port INTEGER NOT NULL,
    destination TEXT NOT NULL,
    destination_port INTEGER NOT NULL,
    at REAL NOT NULL,
    until REAL,
    UNIQUE (sent_at, plaintext),
    UNIQUE (sent_at, packet)
);
CREATE INDEX seen_until ON seen (until) WHERE until IS NOT NULL;
CREATE TABLE imported (
    packet BLOB NOT NULL UNIQUE,
    protocol INTEGER NOT NULL,
    source TEXT NOT NULL,
    source_port INTEGER NOT NULL,
    destination TEXT NOT NULL,
    destination_port INTEGER NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE grants (
    id TEXT NOT NULL,
    boot TEXT NOT NULL,
    stanza INTEGER NOT NULL,
    user TEXT NOT NULL,
    source TEXT NOT NULL,
    who TEXT NOT NULL,
    services TEXT NOT NULL,
    destination TEXT,
    began REAL NOT NULL,
    ends REAL NOT NULL,
    until REAL NOT NULL,
    ending TEXT,
    ended_at REAL
);
CREATE UNIQUE INDEX grants_unfinished ON grants (id) WHERE ending IS NULL;
CREATE INDEX grants_ended ON grants (ended_at) WHERE ended_at IS NOT NULL;
"""
_CYCLES = "CREATE TABLE cycles (id TEXT NOT NULL PRIMARY KEY, closings TEXT NOT NULL)"
"""Since version 2: the commands that close, for grants without an end."""
_CHANGES = """
CREATE TABLE changes (
    at REAL NOT NULL,
    uid INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    result TEXT NOT NULL
)
"""
"""Since version 3: what somebody had the daemon do."""
_KEYS = "ALTER TABLE grants ADD COLUMN key_names TEXT NOT NULL DEFAULT ''"
"""Since version 3: what the key is called by which each grant was asked for."""
_FORGOTTEN = """
CREATE TABLE forgotten (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    sent_at INTEGER NOT NULL
)
"""
"""Since version 4: the newest time stamp of all that was forgotten; no row: nothing was."""
_ASSUMED = "INSERT INTO forgotten VALUES (1, CAST(strftime('%s', 'now') AS INTEGER) - 86400)"
"""What may have been forgotten before that was written down: it had been too old for a day."""
_LEADS = "ALTER TABLE grants ADD COLUMN lead TEXT NOT NULL DEFAULT ''"
"""Since version 5: where each grant leads."""
_PARTICULARS = "ALTER TABLE grants ADD COLUMN particulars TEXT NOT NULL DEFAULT ''"
"""Since version 6: what only some grants have, as JSON; empty: nothing."""
_LATER = (
    (WITH_CYCLES, "cycles", _CYCLES),
    (WITH_CHANGES, "changes", _CHANGES),
    (WITH_CHANGES, "grants", _KEYS),
    (WITH_FORGOTTEN, "forgotten", _FORGOTTEN),
    (WITH_LEADS, "grants", _LEADS),
    (WITH_PARTICULARS, "grants", _PARTICULARS),
)


def make(connection: sqlite3.Connection) -> None:
    """Lay out an empty database. Raises sqlite3.Error."""
    connection.executescript(_SCHEMA)
    for _, _, statement in _LATER:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def is_whole(connection: sqlite3.Connection, version: int) -> bool:
    """Whether everything is there that this version has. Raises sqlite3.Error."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    wanted = _TABLES | {name for since, name, _ in _LATER if since <= version}
    return version >= _OLDEST and names >= wanted


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """In the transaction that has begun. Raises sqlite3.Error."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    for since, _, statement in _LATER:
        if version < since:
            connection.execute(statement)
    if version < WITH_FORGOTTEN:
        connection.execute(_ASSUMED)
    connection.execute(f"PRAGMA user_version = {VERSION}")
