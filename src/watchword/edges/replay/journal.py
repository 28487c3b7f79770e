"""The journal that lasts: who got what, when, and why it ended.

In here: grants and their ends as rows, and rows as grants.
Not in here: the file and its thread (database), listing from another process
(reading). No key, passphrase or packet is kept here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

from watchword.edges.replay.particulars import with_particulars, written
from watchword.edges.replay.recovered import recovered
from watchword.edges.replay.schema import (
    WITH_CHANGES,
    WITH_CYCLES,
    WITH_LEADS,
    WITH_PARTICULARS,
)
from watchword.edges.replay.session import Session
from watchword.model.addresses import canonical
from watchword.model.commands import Closing, Cycle
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Grant, Lead, SourceNat
from watchword.model.outcomes import Action, Change
from watchword.model.services import Service
from watchword.ports import Journal

_Row: TypeAlias = tuple[
    str, str, int, str, str, str, str, str | None, float, float, float, str, str, str
]
"""As _GRANTED has them."""

_GRANTED = """
INSERT INTO grants
    (id, boot, stanza, user, source, who, services, destination, began, ends, until, key_names,
     lead, particulars)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_WITHDRAWN = "DELETE FROM grants WHERE id = ? AND ending IS NULL"
_ENDED = "UPDATE grants SET ending = ?, ended_at = ? WHERE id = ? AND ending IS NULL"
_UNFINISHED = """
SELECT
    id, boot, stanza, user, source, who, services, destination, began, ends, until, key_names, lead,
    particulars
FROM grants INDEXED BY grants_unfinished WHERE ending IS NULL ORDER BY rowid
"""
_MISSING = (
    (WITH_PARTICULARS, "particulars\n", "''\n"),
    (WITH_LEADS, " lead,", " '',"),
    (WITH_CHANGES, " key_names,", " '',"),
)
"""Since when there is a column, and what stands for it where there is none."""
_CYCLE = "INSERT OR REPLACE INTO cycles (id, closings) VALUES (?, ?)"
_NO_CYCLE = "DELETE FROM cycles WHERE id = ?"
_CYCLES = "SELECT id, closings FROM cycles"
_CHANGED = """
INSERT INTO changes (at, uid, pid, action, target, result) VALUES (?, ?, ?, ?, ?, ?)
"""
_CHANGES = "SELECT action, target, uid, pid, at, result FROM changes ORDER BY rowid DESC LIMIT ?"
_PRUNE_CHANGES = """
DELETE FROM changes WHERE rowid IN (SELECT rowid FROM changes WHERE at < ? LIMIT ?)
"""
_PRUNE = """
DELETE FROM grants WHERE rowid IN
    (SELECT rowid FROM grants WHERE ended_at < ? ORDER BY ended_at LIMIT ?)
"""


class SqliteJournal:
    """Keeps grants on disk.

    It does not wait for the disk over what the firewall opened: a lost machine has lost its
    openings too. It does over commands that have to be run yet: what they close may be anywhere.
    """

    def __init__(self, session: Session, boot_id: str) -> None:
        self._session = session
        self._boot_id = boot_id

    async def granted(self, grants: Sequence[Grant]) -> None:
        rows = [_row(grant, self._boot_id) for grant in grants]
        cycles = [(each.id, _closings(each.cycle)) for each in grants if each.cycle is not None]
        await self._session.transaction(lambda db: _note(db, rows, cycles), lazily=not cycles)

    async def ended(self, endings: Sequence[tuple[str, Ending]], at: float) -> None:
        rows = [(ending.value, at, each) for each, ending in endings]
        await self._session.transaction(lambda db: _end(db, rows), lazily=True)

    async def changed(self, change: Change) -> None:
        row = (change.at, change.uid, change.pid, change.action.value, change.target, change.result)
        await self._session.transaction(lambda db: db.execute(_CHANGED, row) and None)

    async def unfinished(self, now: Moment) -> Sequence[Grant]:
        return await self._session.transaction(
            lambda db: unfinished(db, self._boot_id, now), lazily=True
        )

    async def prune(self, before: float) -> int:
        """Drop grants that ended, and changes, before these Unix seconds; return how many."""
        changes = await self._session.delete(_PRUNE_CHANGES, before)
        return changes + await self._session.delete(_PRUNE, before)

    async def aclose(self) -> None:
        await self._session.aclose()


def unfinished(db: sqlite3.Connection, boot_id: str, now: Moment) -> Sequence[Grant]:
    """Grants without an end, in the order in which they were noted.

    Raises sqlite3.Error, also if a row is none that the journal wrote.
    """
    found = []
    [version] = db.execute("PRAGMA user_version").fetchone()
    cycles = dict(db.execute(_CYCLES).fetchall()) if version >= WITH_CYCLES else {}
    question = _UNFINISHED
    for since, column, nothing in _MISSING:
        if version < since:
            question = question.replace(column, nothing)
    for row in db.execute(question):
        try:
            grant = _grant(row, _cycle(cycles.get(row[0])))
        except (ValueError, KeyError, TypeError) as error:
            raise sqlite3.DatabaseError(f"a grant cannot be read: {error}") from error
        found.append(recovered(grant, row[1], boot_id, now))
    return found


def changes(db: sqlite3.Connection, most: int) -> Sequence[Change]:
    """The latest changes, the last one first. Raises sqlite3.Error, as ``unfinished`` does."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version < WITH_CHANGES:
        return ()
    try:
        return [Change(Action(action), *rest) for action, *rest in db.execute(_CHANGES, (most,))]
    except ValueError as error:
        raise sqlite3.DatabaseError(f"a change cannot be read: {error}") from error


def _note(db: sqlite3.Connection, rows: Sequence[_Row], cycles: Sequence[tuple[str, str]]) -> None:
    db.executemany(_WITHDRAWN, [row[:1] for row in rows])  # noted again: the later one counts
    db.executemany(_GRANTED, rows)
    db.executemany(_CYCLE, cycles)


def _end(db: sqlite3.Connection, rows: Sequence[tuple[str, float, str]]) -> None:
    db.executemany(_ENDED, rows)
    db.executemany(_NO_CYCLE, [row[2:] for row in rows])


def _closings(cycle: Cycle) -> str:
    return json.dumps([[each.text, each.argv, each.seconds] for each in cycle.closings])


def _cycle(text: str | None) -> Cycle | None:
    """Raises ValueError or TypeError if it is none of ours."""
    if text is None:
        return None
    return Cycle(
        tuple(
            Closing(str(said), tuple(map(str, argv)), float(seconds))
            for said, argv, seconds in json.loads(text)
        )
    )


def _row(grant: Grant, boot_id: str) -> _Row:
    return (
        grant.id,
        boot_id,
        grant.stanza,
        grant.user,
        str(grant.source),
        str(grant.who),
        " ".join(map(str, grant.services)),
        str(grant.destination) if grant.destination else None,
        grant.began,
        grant.ends,
        grant.until,
        grant.key,
        "" if grant.lead is None else _lead_text(grant.lead),
        written(grant),
    )


def _lead_text(lead: Lead) -> str:
    host = None if lead.host is None else str(lead.host)
    source = None if lead.source is None else str(lead.source)
    return json.dumps([host, lead.port, lead.everything, source])


def _lead(text: str) -> Lead | None:
    """Raises ValueError or TypeError if it is none of ours."""
    if not text:
        return None
    host, port, everything, source = json.loads(text)
    seen = None
    if source is not None:
        masquerade = source == str(SourceNat())
        seen = SourceNat(None if masquerade else canonical(source))
    return Lead(None if host is None else canonical(host), int(port), bool(everything), seen)


def _grant(row: _Row, cycle: Cycle | None) -> Grant:
    """Raises ValueError if the row is none of ours."""
    id_, _, stanza, user, source, who, services, destination, began, ends, until, key, *more = row
    lead, particulars = more
    grant = Grant(
        id=id_,
        stanza=stanza,
        user=user,
        source=canonical(source),
        who=canonical(who),
        services=tuple(map(Service.parse, services.split())),
        destination=canonical(destination) if destination else None,
        began=began,
        ends=ends,
        until=until,
        key=key,
        cycle=cycle,
        lead=_lead(lead),
    )
    return with_particulars(grant, particulars)


_: type[Journal] = SqliteJournal
