"""The stores that last, in one SQLite file."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journal import NOW, JournalContract, Reopen, grant
from tests.contract.replay import HEADER, LINE, ReplayContract, digest, entry, firsts, key, run
from watchword.edges.clock import boot_id
from watchword.edges.replay import database, journal, sqlite
from watchword.edges.replay.journal import SqliteJournal
from watchword.edges.replay.location import NAME
from watchword.edges.replay.reading import (
    export_digest_cache,
    read_changes,
    read_claim,
    read_grants,
)
from watchword.edges.replay.sqlite import SqliteReplayStore, SqliteStore
from watchword.errors import HostError
from watchword.model.commands import Closing, Cycle
from watchword.model.openings import Caller, Ending, Extent
from watchword.model.outcomes import Action, Change
from watchword.model.requests import Claim


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "state", boot_id="one")
    yield store
    run(store.aclose())


class TestSqliteReplayStore(ReplayContract):
    @pytest.fixture
    def store(self, opened: SqliteStore) -> SqliteReplayStore:
        return opened.keys


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def journal(self, opened: SqliteStore) -> SqliteJournal:
        return opened.journal

    @pytest.fixture
    def reopen(self, opened: SqliteStore, tmp_path: Path) -> Iterator[Reopen]:
        stores: list[SqliteStore] = [opened]

        def again(boot_id: str) -> SqliteJournal:
            run(stores[-1].aclose())
            stores.append(SqliteStore.open(tmp_path / "state", boot_id=boot_id))
            return stores[-1].journal

        yield again
        for store in stores:
            run(store.aclose())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_was_claimed_is_known_after_a_restart(tmp_path: Path) -> None:
    before = SqliteStore.open(tmp_path, boot_id="one")
    assert before.created
    run(firsts(before.keys, [key("a")]))
    run(before.aclose())

    after = SqliteStore.open(tmp_path, boot_id="two")
    assert not after.created
    assert run(firsts(after.keys, [key("a"), key("b")])) == [False, True]
    run(after.aclose())


def test_an_acknowledged_claim_is_in_the_files_at_that_moment(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "state", boot_id="one")
    for number in range(20):
        run(firsts(store.keys, [key(str(number))]))
        copy = tmp_path / f"copy{number}"
        copy.mkdir()
        for name in (NAME, f"{NAME}-wal"):  # the index beside them is memory, and lost
            shutil.copy(tmp_path / "state" / name, copy / name)

        after = SqliteStore.open(copy, boot_id="two")
        assert run(firsts(after.keys, [key(str(n)) for n in range(number + 1)])) == [False] * (
            number + 1
        )
        run(after.aclose())
    run(store.aclose())


def test_claims_and_what_commands_have_to_close_wait_for_the_disk_and_nothing_else_does(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[bool] = []
    for name in ("transaction", "at_once"):
        does = getattr(opened._channel, name)

        def spied(work: Any, durable: bool, does: Any = does) -> Any:
            waited.append(durable)
            return does(work, durable)

        monkeypatch.setattr(opened._channel, name, spied)
    run(firsts(opened.keys, [key("a")]))
    run(opened.journal.granted([replace(grant("a"), cycle=Cycle())]))
    run(opened.journal.granted([grant("b")]))
    run(opened.journal.ended([("a", Ending.EXPIRED)], NOW.wall))
    run(opened.journal.unfinished(NOW))
    assert waited == [True, True, False, False, False]


def test_a_database_of_the_first_version_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    """As it was before commands and changes: without their tables."""
    store = SqliteStore.open(tmp_path, boot_id=boot_id())
    run(store.journal.granted([grant("a")]))
    run(firsts(store.keys, [key("a")]))
    run(store.aclose())
    old = sqlite3.connect(tmp_path / NAME)
    old.executescript(
        "DROP TABLE cycles; DROP TABLE changes; DROP TABLE forgotten;"
        "ALTER TABLE grants DROP COLUMN key_names; ALTER TABLE grants DROP COLUMN lead;"
        "ALTER TABLE grants DROP COLUMN particulars; PRAGMA user_version = 1"
    )
    old.close()

    assert read_grants(tmp_path, NOW) == [replace(grant("a"), key="", lead=None)]
    assert read_changes(tmp_path) == ()
    store = SqliteStore.open(tmp_path, boot_id=boot_id())
    assert run(firsts(store.keys, [key("a")])) == [False]
    closed = replace(grant("b"), cycle=Cycle((Closing("close", ("close",)),)))
    run(store.journal.granted([closed]))
    assert read_grants(tmp_path, NOW) == [replace(grant("a"), key="", lead=None), closed]
    changes = [Change(Action.REVOKE, "all", 0, 1, float(at), "") for at in range(3)]
    for change in changes:
        run(store.journal.changed(change))
    assert read_changes(tmp_path, 2) == [changes[2], changes[1]]
    run(store.aclose())


def test_what_was_forgotten_is_beyond_memory_after_a_restart(tmp_path: Path) -> None:
    before = SqliteStore.open(tmp_path, boot_id="one")
    run(before.keys.claim([key("a", until=1.0, sent_at=100)]))
    run(before.keys.forget(before=2.0))
    run(before.aclose())

    after = SqliteStore.open(tmp_path, boot_id="two")
    asked = [key("a", sent_at=100), key("b", sent_at=101)]
    assert run(after.keys.claim(asked)) == [Claim.BEYOND_MEMORY, Claim.FIRST]
    assert read_claim(tmp_path, key("a", sent_at=100)) == (Claim.BEYOND_MEMORY, None)
    assert read_claim(tmp_path, key("b", sent_at=101)) == (Claim.KNOWN, key("b").sighting)
    assert read_claim(tmp_path, key("c", sent_at=101)) == (Claim.FIRST, None)
    run(after.aclose())


def test_what_an_earlier_version_may_have_forgotten_is_beyond_memory(tmp_path: Path) -> None:
    """It forgot nothing that was not older than a day, and did not say what."""
    run(SqliteStore.open(tmp_path, boot_id="one").aclose())
    old = sqlite3.connect(tmp_path / NAME)
    old.executescript(
        "DROP TABLE forgotten; ALTER TABLE grants DROP COLUMN lead;"
        "ALTER TABLE grants DROP COLUMN particulars; PRAGMA user_version = 3"
    )
    old.close()
    now, hour = int(time.time()), 3600
    asked = [key("a", sent_at=now - 25 * hour), key("b", sent_at=now - 23 * hour)]
    assert read_claim(tmp_path, asked[0]) == (Claim.FIRST, None)

    store = SqliteStore.open(tmp_path, boot_id="one")
    assert run(store.keys.claim(asked)) == [Claim.BEYOND_MEMORY, Claim.FIRST]
    run(store.aclose())


def test_a_new_memory_has_forgotten_nothing(opened: SqliteStore) -> None:
    assert run(opened.keys.claim([key("a", sent_at=0)])) == [Claim.FIRST]


def test_a_database_of_before_grants_led_anywhere_is_read_as_it_is(tmp_path: Path) -> None:
    """A daemon of the version before may still be running on it."""
    store = SqliteStore.open(tmp_path, boot_id=boot_id())
    run(store.journal.granted([grant("a")]))
    run(store.aclose())
    old = sqlite3.connect(tmp_path / NAME)
    old.executescript(
        "ALTER TABLE grants DROP COLUMN lead; ALTER TABLE grants DROP COLUMN particulars;"
        "PRAGMA user_version = 4"
    )
    old.close()
    assert read_grants(tmp_path, NOW) == [replace(grant("a"), lead=None)]


def test_a_grant_for_a_part_of_an_address_is_one_for_that_part_after_a_restart(
    tmp_path: Path,
) -> None:
    """Read as one for the whole address it would let in everybody there."""
    also = (
        Caller(ip_address("2001:db8::"), Extent(bits=64, first=True)),
        Caller(ip_address("192.0.2.9")),
    )
    parts = [
        replace(grant("a"), lead=None, extent=Extent(port=40123)),
        replace(grant("b"), lead=None, extent=Extent(bits=24), also=also),
    ]
    before = SqliteStore.open(tmp_path, boot_id=boot_id())
    run(before.journal.granted(parts))
    run(before.aclose())
    assert read_grants(tmp_path, NOW) == parts


@pytest.mark.parametrize("text", ["{", "[]", '{"extent":[1]}', '{"narrower":true}'])
def test_a_grant_with_particulars_that_nobody_knows_is_none(tmp_path: Path, text: str) -> None:
    store = SqliteStore.open(tmp_path, boot_id=boot_id())
    run(store.journal.granted([grant("a")]))
    run(store.aclose())
    file = sqlite3.connect(tmp_path / NAME)
    file.execute("UPDATE grants SET particulars = ?", (text,))
    file.commit()
    file.close()
    with pytest.raises(HostError):
        read_grants(tmp_path, NOW)


def test_all_files_are_private_from_the_start_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore.open(tmp_path / "a" / "b", boot_id="one")
        run(firsts(store.keys, [key("a")]))
        files = {path.name: mode(path) for path in (tmp_path / "a" / "b").iterdir()}
    finally:
        os.umask(before)
    run(store.aclose())

    assert files == dict.fromkeys([NAME, f"{NAME}-wal", f"{NAME}-shm"], 0o600)
    assert mode(tmp_path / "a" / "b") == mode(tmp_path / "a") == 0o700


def refused(state_dir: Path, *words: str) -> None:
    """Opening is refused with those words and a remedy, and every file stays as it was."""
    before = contents(state_dir)
    with pytest.raises(HostError) as caught:
        SqliteStore.open(state_dir, boot_id="one")
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
    assert contents(state_dir) == before


def contents(state_dir: Path) -> dict[str, bytes]:
    files = [path for path in state_dir.glob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Holds a closed database that remembers the packets called 0 to 999."""
    store = SqliteStore.open(tmp_path, boot_id="one")
    run(firsts(store.keys, [key(str(n)) for n in range(1000)]))
    run(store.aclose())
    return tmp_path


def test_a_file_that_is_no_database_is_left_alone(state_dir: Path) -> None:
    (state_dir / NAME).write_bytes(b"a letter to somebody\n" * 100)
    refused(state_dir, "not a SQLite database", "nothing was deleted")


def test_an_empty_file_is_damage_and_not_an_empty_memory(state_dir: Path) -> None:
    (state_dir / NAME).write_bytes(b"")
    refused(state_dir, "damaged", "empty")


def test_a_truncated_database_is_refused(state_dir: Path) -> None:
    os.truncate(state_dir / NAME, 8192)
    refused(state_dir, "damaged")


def test_another_programs_database_is_left_alone(state_dir: Path) -> None:
    (state_dir / NAME).unlink()
    with sqlite3.connect(state_dir / NAME) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    (state_dir / NAME).chmod(0o600)
    refused(state_dir, "another program")


def test_a_database_of_a_newer_version_is_left_alone(state_dir: Path) -> None:
    newer = sqlite3.connect(state_dir / NAME)
    newer.execute("PRAGMA user_version = 99")
    newer.commit()
    newer.close()
    refused(state_dir, "newer", "99")


def test_a_database_that_lost_its_tables_is_damaged(state_dir: Path) -> None:
    robbed = sqlite3.connect(state_dir / NAME)
    robbed.execute("DROP TABLE seen")
    robbed.commit()
    robbed.close()
    refused(state_dir, "damaged", "tables")


def test_damage_is_noticed_when_it_is_hit_and_claims_nothing(state_dir: Path) -> None:
    whole = bytearray((state_dir / NAME).read_bytes())
    size = len(whole)
    whole[size // 2 :] = b"\xa5" * (size - size // 2)
    (state_dir / NAME).write_bytes(whole)
    store = SqliteStore.open(state_dir, boot_id="one")

    with pytest.raises(HostError) as caught:
        run(firsts(store.keys, [key(str(n)) for n in range(1000)]))

    assert "damaged" in str(caught.value)
    assert "backup" in caught.value.hint
    run(store.aclose())


def test_a_symbolic_link_is_not_followed(state_dir: Path) -> None:
    (state_dir / NAME).rename(state_dir / "elsewhere")
    (state_dir / NAME).symlink_to(state_dir / "elsewhere")
    refused(state_dir, "symbolic link")


def test_a_dangling_link_is_not_followed_to_create_something(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    refused(tmp_path, "symbolic link")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_a_link_in_place_of_a_file_beside_it_is_refused(state_dir: Path, end: str) -> None:
    (state_dir / f"{NAME}{end}").symlink_to(state_dir / "elsewhere")
    refused(state_dir, "symbolic link")


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    refused(tmp_path, "not a regular file")


def test_a_fifo_in_place_of_the_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    refused(tmp_path, "not a regular file")


@pytest.mark.parametrize("bits", [0o666, 0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(state_dir: Path, bits: int) -> None:
    (state_dir / NAME).chmod(bits)
    refused(state_dir, "written by other users")


def test_a_directory_that_others_may_write_is_refused(state_dir: Path) -> None:
    state_dir.chmod(0o770)
    refused(state_dir, "written by other users")


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    refused(tmp_path / "state", "not a directory")
    refused(tmp_path / "state" / "below", "Not a directory")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
@pytest.mark.parametrize("what", [NAME, "."])
def test_what_belongs_to_somebody_else_is_refused(state_dir: Path, what: str) -> None:
    os.chown(state_dir / what, 65534, 65534)
    refused(state_dir, "65534")


def test_a_removed_database_is_noticed_before_anything_is_claimed(opened: SqliteStore) -> None:
    path = opened.keys._session._channel._path
    run(firsts(opened.keys, [key("a")]))
    path.unlink()
    for _ in range(2):
        with pytest.raises(HostError):
            run(firsts(opened.keys, [key("b")]))
    assert not path.exists()


def test_a_lock_of_another_connection_is_waited_for_and_then_told(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    opened.keys._session._channel._drop()  # not in use: no transaction is under way
    other = sqlite3.connect(opened.keys._session._channel._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HostError, match="locked by another process"):
        run(firsts(opened.keys, [key("a")]))

    other.execute("ROLLBACK")
    other.close()
    assert run(firsts(opened.keys, [key("a")])) == [True]


def test_a_full_database_claims_nothing_and_works_again_with_room(
    opened: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [key(str(n)) for n in range(2000)]
    limit = ("PRAGMA max_page_count = 14",)
    monkeypatch.setattr(database, "_PRAGMAS", database._PRAGMAS + limit)
    opened.keys._session._channel._drop()
    with pytest.raises(HostError, match="the disk is full"):
        run(firsts(opened.keys, batch))

    monkeypatch.undo()
    assert run(firsts(opened.keys, batch)) == [True] * 2000


@pytest.mark.parametrize(
    "statement",
    [
        sqlite._FIRST.replace(":sent_at", "?").replace(":packet", "?").replace(":plaintext", "?"),
        sqlite._FIRST_IMPORTED.replace(":packet", "?"),
        sqlite._NEWEST,
        sqlite._FORGET,
        sqlite._NOTE_FORGOTTEN,
        sqlite._FORGOTTEN,
        journal._WITHDRAWN,
        journal._ENDED,
        journal._UNFINISHED,
        journal._PRUNE,
    ],
)
def test_no_statement_walks_all_that_is_remembered(opened: SqliteStore, statement: str) -> None:
    values = ("x",) * statement.count("?")
    asked = opened.keys._session.transaction(
        lambda db: db.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    )
    steps = [row[3] for row in run(asked)]
    assert steps
    partial = "SCAN grants USING INDEX grants_unfinished"  # holds what has no end, no history
    walks = [step for step in steps if step.startswith("SCAN") and step != partial]
    assert walks == []


def test_a_store_that_could_not_be_opened_leaves_nothing_open(state_dir: Path) -> None:
    (state_dir / NAME).chmod(0o666)
    before = set(threading.enumerate())
    refused(state_dir, "written by other users")
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, boot_id="one")
    run(store.keys.aclose())
    with pytest.raises(HostError, match="closed"):
        run(firsts(store.keys, [key("a")]))
    run(store.journal.granted([grant()]))
    run(store.aclose())
    run(store.aclose())
    with pytest.raises(HostError, match="closed"):
        run(store.journal.granted([grant()]))


def test_what_another_store_imports_is_refused_by_one_that_is_running(
    opened: SqliteStore, tmp_path: Path
) -> None:
    assert run(firsts(opened.keys, [key(name) for name in "ab"])) == [True, True]
    other = SqliteStore.open(tmp_path / "state", boot_id="one")
    assert run(other.keys.import_digest_cache(entry("c") + entry("d"))) == (2, ())

    assert run(firsts(opened.keys, [key(name) for name in "ac"])) == [False, False]
    assert run(firsts(opened.keys, [key(name) for name in "de"])) == [False, True]
    run(other.aclose())


def test_a_packet_that_was_imported_is_refused_after_a_restart(tmp_path: Path) -> None:
    before = SqliteStore.open(tmp_path, boot_id="one")
    run(before.keys.import_digest_cache(entry("a")))
    run(before.aclose())

    after = SqliteStore.open(tmp_path, boot_id="two")
    assert run(firsts(after.keys, [key("a"), key("b")])) == [False, True]
    run(after.aclose())


def test_what_was_both_claimed_and_imported_is_exported_once(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, boot_id="one")
    run(firsts(store.keys, [key("a"), key("b")]))
    run(store.keys.import_digest_cache(entry("a")))
    run(store.aclose())
    _, first, second = export_digest_cache(tmp_path)
    assert first == entry("a")
    assert second.startswith(entry("b").split()[0])


def test_journal_entries_do_not_take_the_sync_from_the_next_claim(opened: SqliteStore) -> None:
    level = "PRAGMA synchronous"
    for lazily, expected in ((True, 1), (False, 2), (True, 1), (False, 2)):
        asked = opened.keys._session.transaction(
            lambda db: db.execute(level).fetchone(), lazily=lazily
        )
        assert run(asked) == (expected,)
    run(opened.journal.granted([grant()]))
    asked = opened.keys._session.transaction(lambda db: db.execute(level).fetchone())
    assert run(asked) == (2,)


def test_claims_that_run_together_agree(opened: SqliteStore) -> None:
    async def together() -> int:
        claims = [firsts(opened.keys, [key(str(n)) for n in range(50)]) for _ in range(20)]
        return sum(map(sum, await asyncio.gather(*claims)))

    assert run(together()) == 50


def test_the_loop_goes_on_while_the_disk_is_waited_for(opened: SqliteStore) -> None:
    async def beats_meanwhile() -> int:
        claim = asyncio.ensure_future(opened.keys.claim([key(str(n)) for n in range(5000)]))
        beats = 0
        while not claim.done():
            beats += 1
            await asyncio.sleep(0)
        return beats

    assert run(beats_meanwhile()) > 5


def test_another_reader_sees_grants_while_they_are_written(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, boot_id=boot_id())
    run(store.journal.granted([grant("a"), grant("b")]))
    assert read_grants(tmp_path, NOW) == [grant("a"), grant("b")]

    run(store.journal.ended([("a", Ending.REVOKED)], NOW.wall))
    assert [each.id for each in read_grants(tmp_path, NOW)] == ["b"]
    run(store.aclose())
    assert [each.id for each in read_grants(tmp_path, NOW)] == ["b"]


def test_without_a_database_there_are_no_grants_and_none_is_made(tmp_path: Path) -> None:
    assert list(read_grants(tmp_path / "nowhere", NOW)) == []
    assert list(export_digest_cache(tmp_path)) == [HEADER]
    assert list(tmp_path.iterdir()) == []


def test_a_reader_says_what_is_wrong_with_the_file(state_dir: Path) -> None:
    (state_dir / NAME).write_bytes(b"a letter to somebody\n" * 100)
    with pytest.raises(HostError, match="not a SQLite database"):
        read_grants(state_dir, NOW)
    with pytest.raises(HostError, match="not a SQLite database"):
        list(export_digest_cache(state_dir))


def test_a_grant_that_cannot_be_read_is_told_and_not_passed_over(opened: SqliteStore) -> None:
    run(opened.journal.granted([grant()]))
    spoil = opened.journal._session.transaction(
        lambda db: db.execute("UPDATE grants SET who = 'nobody'")
    )
    run(spoil)
    with pytest.raises(HostError, match="a grant cannot be read"):
        run(opened.journal.unfinished(NOW))


@pytest.mark.requirement("4.26")
def test_an_exported_digest_cache_is_fwknops_own_text(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, boot_id="one")
    run(store.keys.import_digest_cache(f"{HEADER}{LINE}\n"))
    run(firsts(store.keys, [key("a")]))
    lines = list(export_digest_cache(tmp_path))
    run(store.aclose())

    assert lines[:2] == [HEADER, f"{LINE}\n"]
    assert lines[2].endswith(" 17 192.0.2.7 40000 198.51.100.1 62201 1700000000\n")
    assert len(lines) == 3


def test_the_database_holds_no_packet_and_no_text(tmp_path: Path) -> None:
    columns = set()
    store = SqliteStore.open(tmp_path, boot_id="one")
    run(firsts(store.keys, [key("a")]))
    run(store.aclose())
    database_file = sqlite3.connect(tmp_path / NAME)
    for table in ("seen", "imported", "grants"):
        columns |= {row[1] for row in database_file.execute(f"PRAGMA table_info({table})")}
    [row] = database_file.execute("SELECT packet, plaintext FROM seen")
    database_file.close()

    assert row == (digest("a"), digest("text a"))
    assert not columns & {"key", "payload", "message", "command"}
