"""What is left when the power fails while a claim is being written.

A disk may have done any of the writes that no synchronisation has followed
yet, sector by sector, in any order. A claim writes the log and synchronises
it; a checkpoint after it writes the database. So there are two kinds of
moment: the log is half written, or the log is whole and the database is half
written. A log that begins anew has its header synchronised by itself first.

Not in here: that these synchronisations are asked for (system tests, power),
and disks that lie about them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract.replay import firsts, key, run
from watchword.edges.files import create_private
from watchword.edges.replay import database
from watchword.edges.replay.location import NAME
from watchword.edges.replay.sqlite import SqliteStore

SECTOR = 512
WAL_HEADER = 32
CLAIMS = 40


class Disk(NamedTuple):
    main: bytes
    log: bytes


def content(folder: Path) -> Disk:
    log = folder / f"{NAME}-wal"
    return Disk((folder / NAME).read_bytes(), log.read_bytes() if log.exists() else b"")


def torn(before: bytes, after: bytes, chance: random.Random) -> bytes:
    """Some sectors of after, the others as before (or not there yet: zeros)."""
    size = max(len(before), len(after))
    old, new = before.ljust(size, b"\0"), after.ljust(size, b"\0")
    share = chance.random()
    parts = (new if chance.random() < share else old for _ in range(0, size, SECTOR))
    starts = range(0, size, SECTOR)
    return b"".join(part[at : at + SECTOR] for at, part in zip(starts, parts, strict=True))


def lost_in_the_log(before: Disk, after: Disk, chance: random.Random) -> Disk:
    log = torn(before.log, after.log, chance)
    if before.log[:WAL_HEADER] != after.log[:WAL_HEADER]:
        log = after.log[:SECTOR] + log[SECTOR:]
    return Disk(before.main, log)


def lost_in_the_database(before: Disk, after: Disk, chance: random.Random) -> Disk:
    return Disk(torn(before.main, after.main, chance), after.log)


def claims_one_after_another(folder: Path) -> Iterator[tuple[Disk, Disk, int]]:
    """The disk before and after each claim, and how many packets were claimed before it."""
    store = SqliteStore.open(folder, boot_id="one")
    before = content(folder)
    for number in range(CLAIMS):
        batch = [key(f"{number} {n}", sent_at=1_700_000_000 + number // 9) for n in range(3)]
        assert run(firsts(store.keys, batch)) == [True] * 3
        after = content(folder)
        yield before, after, number
        before = after
    run(store.aclose())


def known(folder: Path, disk: Disk, number: int) -> bool:
    """Whether the packets of the claims up to that one are remembered by what the disk holds."""
    folder.mkdir(mode=0o700)
    create_private(folder / NAME, disk.main)
    create_private(folder / f"{NAME}-wal", disk.log)
    store = SqliteStore.open(folder, boot_id="two")
    keys = [
        key(f"{claim} {n}", sent_at=1_700_000_000 + claim // 9)
        for claim in range(number)
        for n in range(3)
    ]
    fresh = run(firsts(store.keys, keys))
    [sound] = run(
        store.keys._session.transaction(lambda db: db.execute("PRAGMA integrity_check").fetchone())
    )
    run(store.aclose())
    return sound == "ok" and not any(fresh)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after a few claims, so that logs begin anew several times."""
    kept = tuple(each for each in database._PRAGMAS if "autocheckpoint" not in each)
    monkeypatch.setattr(database, "_PRAGMAS", (*kept, "PRAGMA wal_autocheckpoint = 30"))


@pytest.mark.usefixtures("often")
@pytest.mark.requirement("8.4")
def test_what_was_acknowledged_is_remembered_wherever_the_power_fails(tmp_path: Path) -> None:
    chance = random.Random(7)
    begun_anew = checkpoints = 0
    for before, after, number in claims_one_after_another(tmp_path / "state"):
        begun_anew += before.log[:WAL_HEADER] != after.log[:WAL_HEADER]
        half = lost_in_the_log(before, after, chance)
        assert known(tmp_path / f"log {number}", half, number)
        if before.main != after.main:
            checkpoints += 1
            for attempt in range(3):
                half = lost_in_the_database(before, after, chance)
                where = tmp_path / f"database {number} {attempt}"
                assert known(where, half, number + 1), "the claim whose log was whole is lost"
    assert begun_anew > 2, "the log never began anew"
    assert checkpoints > 2, "there was no checkpoint"


@pytest.mark.usefixtures("often")
def test_a_log_that_was_acknowledged_and_lost_would_be_noticed_here(tmp_path: Path) -> None:
    noticed = False
    for before, after, number in claims_one_after_another(tmp_path / "state"):
        if before.log and before.main == after.main and number > 1:
            robbed = Disk(after.main, before.log)
            noticed = noticed or not known(tmp_path / f"robbed {number}", robbed, number + 1)
    assert noticed
