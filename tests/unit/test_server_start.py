"""What fwknopd does and says around its start: locale, run directory, a new replay memory."""

from __future__ import annotations

import asyncio
import locale
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fwknopd_files import configure
from watchword.dialects.fwknop.voice import Voice
from watchword.edges.replay import digest_cache
from watchword.edges.replay.digest_cache import HEADER
from watchword.edges.replay.reading import export_digest_cache, remembered
from watchword.edges.replay.sqlite import SqliteStore
from watchword.edges.report.lines import MemoryReporter, SyslogSink
from watchword.errors import HostError
from watchword.model.daemon_events import Rotated, Starting
from watchword.model.requests import Claim, ReplayKey, Sighting
from watchword.model.settings import LogSettings, Settings
from watchword.service.daemon import logbook, surroundings
from watchword.service.daemon.rotation import MARGIN, rotate

WALL = 1_800_000_000.0
AGE = 120
OLD, NEW = WALL - 2 * AGE - MARGIN - 1, WALL - 10


def said(reporter: MemoryReporter) -> list[str]:
    return [text for event in reporter.events for _, text in Voice()(event)]


@pytest.fixture
def _as_before() -> Iterator[None]:
    was = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, was)


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", []),
        ("LOCALE NONE;\n", []),
        ("LOCALE C;\n", ["Locale set to 'C'."]),
        ("LOCALE nn_XX;\n", ["WARNING: Unable to set locale to 'nn_XX'."]),
    ],
)
def test_a_locale_is_taken_if_this_host_has_it(lines: str, told: list[str], tmp_path: Path) -> None:
    settings = replace(configure(lines).settings, run_dir=tmp_path)
    reporter = MemoryReporter()
    surroundings.prepare(settings, reporter)
    assert said(reporter) == told


def test_a_run_directory_that_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(run_dir=tmp_path / "new" / "run")
    reporter = MemoryReporter()
    surroundings.prepare(settings, reporter)
    assert said(reporter) == [
        f"Run directory: {tmp_path}/new/run does not exist. Attempting to create it.",
        f"Successfully created Run directory: {tmp_path}/new/run",
    ]
    assert (tmp_path / "new" / "run").stat().st_mode & 0o777 == 0o700
    reporter.events.clear()
    surroundings.prepare(settings, reporter)
    assert reporter.events == []


@pytest.mark.requirement("7.18")
def test_the_log_says_at_the_start_which_version_it_is() -> None:
    assert [text for _, text in Voice()(Starting("1.2.3"))] == [
        "Starting fwknopd",
        "This is fwknopd of Watchword, version 1.2.3",
    ]


def test_after_a_reload_the_log_has_the_new_name_facility_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "log")
    monkeypatch.setattr(logbook, "SyslogSink", lambda name, to: SyslogSink(name, to, path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        log.settimeout(60)
        book = logbook.Logbook(LogSettings(), foreground=False, syslog=False)
        book.report(Starting("1", again=True))
        book.follow(LogSettings("front-door", "LOG_LOCAL3"))
        book.report(Starting("1", again=True))
        before, after = log.recv(1000).decode(), log.recv(1000).decode()
        book.follow(LogSettings(syslog=False))  # ALERTING_METHODS nosyslog
        book.report(Starting("1", again=True))
        book.close()
        log.setblocking(False)
        with pytest.raises(BlockingIOError):
            log.recv(1000)
    assert before.startswith("<30>")
    assert " fwknopd[" in before
    assert after.startswith(f"<{19 * 8 + 6}>")
    assert " front-door[" in after


def sighting(at: float) -> Sighting:
    return Sighting(17, "192.0.2.7", 40000, "192.0.2.1", 62201, at)


def key(name: bytes, at: float, until: float | None) -> ReplayKey:
    return ReplayKey(name.ljust(32), b"p" + name.ljust(31), sighting(at), until, int(at))


def memory(folder: Path) -> SqliteStore:
    """One packet each: long ago and today, of fwknopd's file and of our own."""
    store = SqliteStore.open(folder / "state", boot_id="one")
    cache = "".join([HEADER, *lines(b"imported-old", OLD), *lines(b"imported-new", NEW)])
    asyncio.run(store.keys.import_digest_cache(cache))
    claimed = [key(b"claimed-without-age", OLD, None), key(b"claimed", NEW, WALL + 100)]
    assert asyncio.run(store.keys.claim(claimed)) == [Claim.FIRST, Claim.FIRST]
    return store


def lines(name: bytes, at: float) -> Iterator[str]:
    yield from list(digest_cache.write([(name.ljust(32), sighting(at))]))[1:]


@pytest.mark.requirement("8.14")
@pytest.mark.parametrize(("max_age", "left"), [(AGE, {b"imported-new", b"claimed"}), (None, set())])
def test_a_rotated_memory_gives_up_what_its_age_refuses_and_writes_everything_down(
    max_age: int | None, left: set[bytes], tmp_path: Path
) -> None:
    store = memory(tmp_path)
    settings = Settings(state_dir=tmp_path / "state", digest_file=tmp_path / "digest.cache")
    settings.digest_file.write_text(HEADER)
    before = "".join(export_digest_cache(settings.state_dir))
    assert remembered(settings.state_dir)[0] == 4
    told = asyncio.run(rotate(settings, max_age, store.keys, WALL))
    old = tmp_path / "digest.cache-old"
    assert told == Rotated(str(old), 4, 4 - len(left))
    assert old.read_text() == before
    assert old.stat().st_mode & 0o777 == 0o600
    assert not settings.digest_file.exists()
    for name in (b"imported-old", b"imported-new", b"claimed-without-age", b"claimed"):
        stamp = OLD if name == b"claimed-without-age" else NEW
        again = ReplayKey(name.ljust(32), b"q" + name.ljust(31), sighting(WALL), sent_at=int(stamp))
        [answer] = asyncio.run(store.keys.claim([again]))
        expected = Claim.KNOWN if name in left else Claim.FIRST
        if max_age is not None and name == b"claimed-without-age":
            expected = Claim.BEYOND_MEMORY  # a longer MAX_SPA_PACKET_AGE must not let it in again
        assert answer is expected, name
    asyncio.run(store.aclose())


def test_a_rotated_memory_keeps_what_bears_a_stamp_of_the_future(tmp_path: Path) -> None:
    """It was let in while packets could be of any age, and its day is still to come."""
    store = SqliteStore.open(tmp_path / "state", boot_id="one")
    ahead = ReplayKey(b"a" * 32, b"b" * 32, sighting(OLD), None, int(WALL) + 10**9)
    assert asyncio.run(store.keys.claim([ahead])) == [Claim.FIRST]
    settings = Settings(state_dir=tmp_path / "state", digest_file=tmp_path / "digest.cache")
    assert asyncio.run(rotate(settings, AGE, store.keys, WALL)).dropped == 0
    now = ReplayKey(b"c" * 32, b"d" * 32, sighting(WALL), None, int(WALL))
    assert asyncio.run(store.keys.claim([ahead, now])) == [Claim.KNOWN, Claim.FIRST]
    asyncio.run(store.aclose())


def test_a_memory_that_cannot_be_written_down_is_not_given_up(tmp_path: Path) -> None:
    store = memory(tmp_path)
    settings = Settings(state_dir=tmp_path / "state", digest_file=tmp_path / "gone" / "cache")
    with pytest.raises(HostError, match="cannot write"):
        asyncio.run(rotate(settings, None, store.keys, WALL))
    assert remembered(settings.state_dir)[0] == 4
    asyncio.run(store.aclose())
