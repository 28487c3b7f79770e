"""The audit journal on disk: what is written when, what a crash leaves, what is told."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_voice import refused
from tests.values import NOW, request
from watchword.dialects.audit import Examination, Link
from watchword.edges import audit as files
from watchword.edges.clock import FakeClock
from watchword.edges.report.lines import MemoryReporter
from watchword.errors import HostError
from watchword.model.daemon_events import AuditAnchored, HostTrouble, Starting, Stopped
from watchword.model.outcomes import Event, Flooded, Refusal
from watchword.model.reasons import Reason
from watchword.model.settings import Settings
from watchword.service.daemon import audit
from watchword.service.daemon.audit import Audit
from watchword.service.tool import command as tool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(
    folder: Path,
    *events: Event,
    meanwhile: Callable[[Audit], None] = lambda _: None,
    wanted: bool = True,
    dry_run: bool = False,
) -> Sequence[Event]:
    """One life of the journal with these events; returns what it reported."""
    reporter = MemoryReporter()

    async def live() -> None:
        settings = Settings(state_dir=folder, audit_log=wanted, dry_run=dry_run)
        journal = Audit(settings, reporter, FakeClock())
        for event in events:
            journal.hear(event)
        journal.open()
        meanwhile(journal)
        await journal.aclose()

    asyncio.run(live())
    return reporter.events


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in files.journal(folder) for line in files.lines(path)]


def names(folder: Path) -> list[str]:
    return [each["event"] for each in entries(folder)]


def verified(folder: Path) -> str:
    """What is wrong with the journal."""
    found = Examination()
    head = Link.of_head(files.head(folder))
    found.look_at(
        (path.name, number, line)
        for path in files.journal(folder)
        for number, line in enumerate(files.lines(path), start=1)
    )
    found.end(head)
    return str(found.flaw or "")


START = Starting("1.0")


def test_a_second_life_goes_on_in_the_same_chain(folder: Path) -> None:
    run(folder, START, Stopped())
    run(folder, START)
    assert names(folder) == ["started", "stopped", "started"]
    assert [each["seq"] for each in entries(folder)] == [1, 2, 3]
    assert verified(folder) == ""


def test_the_files_are_their_owner_s_alone(folder: Path) -> None:
    old = os.umask(0)
    try:
        run(folder, START)
    finally:
        os.umask(old)
    for name in ("audit.log", "audit.head"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("asked", [{"wanted": False}, {"dry_run": True}])
def test_nothing_is_written_unless_it_is_asked_for(folder: Path, asked: dict[str, Any]) -> None:
    run(folder, START, **asked)
    assert list(folder.iterdir()) == []


def test_the_log_is_told_how_far_it_goes_at_the_end_and_after_many_entries(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ANCHOR_ENTRIES", 2)
    monkeypatch.setattr(audit, "BATCH", 1)
    told = run(folder, START, START, START)
    anchors = [each for each in told if isinstance(each, AuditAnchored)]
    found = entries(folder)
    assert [(each.entries, each.last) for each in anchors] == [
        (2, found[1]["hash"]),
        (3, found[2]["hash"]),
    ]


def test_an_hour_after_an_entry_the_log_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ANCHOR_SECONDS", 0.01)
    reporter = MemoryReporter()

    async def live() -> None:
        journal = Audit(Settings(state_dir=folder, audit_log=True), reporter, FakeClock())
        journal.hear(START)
        journal.open()
        async with asyncio.timeout(60):
            while not reporter.events:
                await asyncio.sleep(0.01)
        await journal.aclose()

    asyncio.run(live())
    [anchor] = reporter.events
    assert anchor == AuditAnchored(1, entries(folder)[0]["hash"])


def test_what_a_kill_cut_short_is_taken_off_and_noted(folder: Path) -> None:
    run(folder, START, Stopped())
    with (folder / "audit.log").open("ab") as log:
        log.write(b'{"seq":3,"prev":"ab')
    assert verified(folder) == ""
    told = run(folder, START)
    assert names(folder) == ["started", "stopped", "recovered", "started"]
    assert entries(folder)[2]["bytes"] == 19
    assert verified(folder) == ""
    assert not [each for each in told if isinstance(each, HostTrouble)]


def cut_lines(folder: Path) -> None:
    path = folder / "audit.log"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))


def change_end(folder: Path) -> None:
    path = folder / "audit.log"
    path.write_bytes(path.read_bytes().replace(b'"stopped"', b'"started"'))


@pytest.mark.parametrize(
    ("harm", "shown_before", "shown_after"),
    [
        (cut_lines, "its end was cut off", "entries 2 to 2 are missing"),
        (change_end, "was changed", "was changed"),
        (lambda folder: (folder / "audit.log").unlink(), "cut off", "entries 1 to 2 are missing"),
        (lambda folder: (folder / "audit.head").unlink(), "audit.head", "here the daemon found"),
    ],
    ids=["lines cut off", "the last line changed", "no journal", "no head"],
)
def test_what_was_done_while_it_was_down_shows_before_and_after_the_next_start(
    folder: Path, harm: Callable[[Path], object], shown_before: str, shown_after: str
) -> None:
    run(folder, START, Stopped())
    harm(folder)
    assert shown_before in verified(folder)
    told = run(folder, START)
    assert shown_after in verified(folder)
    if harm is not change_end:
        [trouble] = [each for each in told if isinstance(each, HostTrouble)]
        assert "watchword audit verify" in trouble.hint
        assert "tampered" in names(folder)


def test_files_are_rotated_and_the_oldest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROTATES_AT", 500)
    monkeypatch.setattr(audit, "BATCH", 1)
    monkeypatch.setattr(files, "KEPT", 2)
    run(folder, *[START] * 3)
    run(folder, *[START] * 12)
    assert len(files.journal(folder)) == 3
    assert entries(folder)[0]["event"] == "rotated"
    assert entries(folder)[0]["seq"] > 1
    assert verified(folder) == ""
    files.journal(folder)[0].unlink()
    assert "older files were taken away" in verified(folder)


def test_a_second_life_after_a_rotation_finds_the_end_in_the_older_file(folder: Path) -> None:
    run(folder, START, Stopped())
    (folder / "audit.log").rename(folder / "audit-000000000000001.log")
    run(folder, START)
    assert verified(folder) == ""
    assert [each["seq"] for each in entries(folder)] == [1, 2, 3]


class Disk:
    """A disk that is full for a number of writes, each of which it takes the half of."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self._write = os.write

    def write(self, descriptor: int, octets: bytes) -> int:
        if not self.failures:
            return self._write(descriptor, octets)
        if len(octets) < 30:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(descriptor, bytes(octets)[: len(octets) // 2])


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(3)
    monkeypatch.setattr(os, "write", disk.write)
    monkeypatch.setattr(audit, "AGAIN", 0.001)
    return disk


def test_a_full_disk_is_told_once_and_nothing_is_lost_of_what_has_room(
    folder: Path, full: Disk
) -> None:
    reporter = MemoryReporter()

    async def live() -> None:
        journal = Audit(Settings(state_dir=folder, audit_log=True), reporter, FakeClock())
        journal.hear(START)
        journal.open()
        async with asyncio.timeout(60):
            while full.failures or not entries(folder):
                await asyncio.sleep(0.001)
        await journal.aclose()

    asyncio.run(live())
    [trouble] = [each for each in reporter.events if isinstance(each, HostTrouble)]
    assert "No space left on device" in trouble.message
    assert names(folder) == ["started"]
    assert verified(folder) == ""


def test_what_finds_no_room_in_the_queue_is_counted_and_confessed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WAITING", 2)
    run(folder, *[START] * 5)
    assert names(folder) == ["lost", "started", "started"]
    assert entries(folder)[0]["entries"] == 3
    assert "could not write" in verified(folder)


def test_a_disk_that_stays_full_does_not_keep_the_daemon_from_ending(
    folder: Path, full: Disk
) -> None:
    full.failures = 10**9
    told = run(folder, START)
    assert any(isinstance(each, HostTrouble) for each in told)
    assert names(folder) == []
    full.failures = 0
    run(folder, START)
    assert names(folder) == ["started"]
    assert verified(folder) == ""


@pytest.mark.parametrize("name", ["audit.log", "audit.head"])
def test_what_is_no_file_of_ours_ends_the_start(folder: Path, name: str) -> None:
    (folder / "elsewhere").write_text("precious")
    (folder / name).symlink_to(folder / "elsewhere")
    with pytest.raises(HostError, match="audit journal"):
        run(folder, START)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(HostError, match="audit journal"):
        run(folder, START)
    assert (folder / "elsewhere").read_text() == "precious"


def test_a_file_that_was_moved_away_is_not_written_to_any_more(folder: Path) -> None:
    reporter = MemoryReporter()

    async def live() -> None:
        journal = Audit(Settings(state_dir=folder, audit_log=True), reporter, FakeClock())
        journal.hear(START)
        journal.open()
        async with asyncio.timeout(60):
            while not entries(folder):
                await asyncio.sleep(0.001)
            (folder / "audit.log").rename(folder / "moved")
            journal.hear(Stopped())
            while not entries(folder):
                await asyncio.sleep(0.001)
        await journal.aclose()

    asyncio.run(live())
    assert names(folder) == ["stopped"]
    assert "entries 1 to 1 are missing" in verified(folder)


# --- the command ---


def asked(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = tool.run(["audit", *argv])
    found = capsys.readouterr()
    return status, found.out + found.err


def test_the_command_verifies_and_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--folder", str(folder))
    [*_, anchor] = run(folder, START, Stopped())
    assert isinstance(anchor, AuditAnchored)
    status, said = asked(capsys, "verify", *at)
    assert (status, said) == (0, f"whole: entries 1 to 2, last {anchor.last}\n")
    status, said = asked(capsys, "show", *at, "-n", "1")
    assert (status, said) == (0, "2 2023-11-14T22:13:20.000Z stopped\n")
    status, said = asked(capsys, "show", *at, "--json")
    assert [json.loads(line)["event"] for line in said.splitlines()] == ["started", "stopped"]
    log = folder / "syslog"
    log.write_text(f"Nov 29 h fwknopd[1]: Audit journal: 2 entries, last {anchor.last}\n")
    status, said = asked(capsys, "verify", *at, "--anchors", str(log))
    assert status == 0
    assert "anchors in the log that it agrees with: 1" in said
    change_end(folder)
    status, said = asked(capsys, "verify", *at, "--anchors", str(log))
    assert status == 1
    assert said.startswith("NOT WHOLE: audit.log:2: entry 2 was changed: its hash does not fit\n")
    status, said = asked(capsys, "verify", *at, "--json")
    assert status == 1
    told = json.loads(said)
    assert (told["whole"], told["last"], told["flaw"]["line"]) == (False, 1, 2)


def test_without_a_journal_it_says_how_to_get_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what in ("verify", "show"):
        status, said = asked(capsys, what, "--folder", str(folder))
        assert status == 1
        assert "AUDIT_LOG Y" in said


def test_it_is_written_to_while_the_system_lets_nobody_begin_a_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    run(folder, START, meanwhile=lambda _: monkeypatch.setattr(threading.Thread, "start", refuse))
    assert names(folder) == ["started"]
    assert verified(folder) == ""


def test_with_a_packet_that_was_overheard_nobody_pushes_older_entries_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "CHEAP_AT_ONCE", 3)
    clock = FakeClock(*NOW)
    replayed = refused(Refusal(Reason.REPLAYED), wanted=request())

    async def live() -> None:
        journal = Audit(Settings(state_dir=folder, audit_log=True), MemoryReporter(), clock)
        for second in range(12):
            journal.hear(replayed)
            journal.hear(Flooded(Reason.REPLAYED, 40, 1.0, "192.0.2.66", NOW.wall + second))
            journal.hear(START)
            clock.advance(1.25)
        journal.open()
        await journal.aclose()

    asyncio.run(live())
    found = [each for each in entries(folder) if each["event"] != "started"]
    assert names(folder).count("started") == 12
    assert [each.get("left_out") for each in found] == [None, None, None, 13]
