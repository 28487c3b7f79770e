"""Cases that others met over the years, where no other test is about them.

The replay memory of fwknopd in any condition, age limits switched off, days on which clocks
change, other languages than English.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fwknopd_files import STANZA, configure
from tests.sealing import sealed
from tests.unit.test_gate import House
from tests.values import NOW, policy
from watchword.dialects.fwknop.server_complaints import MOST
from watchword.edges.replay.digest_cache import HEADER
from watchword.errors import Complaint
from watchword.model.settings import Settings
from watchword.service.daemon import assembly

LINE = "mlxDu5Re9bHOgqpi85fIsqyLxG9C4UMi/dc+SSS0o1g 17 10.77.0.2 46930 10.77.0.1 62201 1795250997"
GOOD = f"{HEADER}{LINE}\n"


def opened(folder: Path) -> tuple[int, list[Complaint]]:
    """How many packets of the old memory are known after a start, and what was said of it."""
    settings = Settings(state_dir=folder / "state", digest_file=folder / "digest.cache")

    async def look() -> tuple[int, list[Complaint]]:
        memory, complaints = await assembly.open_memory(settings)
        count = await memory.remembered()
        await memory.aclose()
        return count, list(complaints)

    return asyncio.run(look())


def written(content: str, mode: int = 0o600) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(content, "utf-8")
        path.chmod(mode)

    return write


@pytest.mark.parametrize(
    ("make", "known", "said"),
    [
        (written(GOOD), 1, None),
        (written(""), 0, None),
        (written(LINE), 1, None),  # the newline of the last line is missing
        (written(GOOD + LINE[:60]), 1, "*Skipping invalid digest file entry"),
        (written(f"{GOOD}\x00\x00\n{LINE.replace('62201', '99999')}\n"), 1, "digest.cache:4"),
        (written(GOOD.replace("\n", "\r\n")), 1, None),
        (written(HEADER + "rubbish\n" * 300), 0, f"{300 - MOST} more invalid entries skipped"),
        (written(GOOD, 0o666), 1, "permissions should only be user read/write"),
        (lambda path: os.mkfifo(path, 0o600), 0, "is not a regular file"),
        (lambda path: path.mkdir(), 0, "is not a regular file"),
        (lambda path: path.symlink_to("nowhere"), 0, None),
    ],
)
def test_the_old_memory_may_be_anything_and_the_start_goes_on(
    make: Callable[[Path], None], known: int, said: str | None, tmp_path: Path
) -> None:
    make(tmp_path / "digest.cache")
    count, complaints = opened(tmp_path)
    assert count == known
    assert not any(each.fatal for each in complaints)
    if said is None:
        assert complaints == []
    else:
        assert any(said in str(each) for each in complaints), complaints


def test_with_the_age_limit_off_a_packet_counts_once_all_the_same() -> None:
    async def play() -> None:
        house = House(policy=policy(max_age=None))
        old = sealed(sent_at=int(NOW.wall) - 5_000_000)
        assert await house.take(old) == ["granted"]
        house.clock.advance(100_000_000)
        assert await house.store.forget(house.clock.now().wall) == 0
        house.start()
        assert await house.take(old) == ["replayed"]

    asyncio.run(play())


@pytest.fixture
def zone() -> Iterator[Callable[[str], None]]:
    """Puts the process into a time zone, and back."""
    was = os.environ.get("TZ")

    def put(name: str | None) -> None:
        os.environ.pop("TZ", None)
        if name is not None:
            os.environ["TZ"] = name
        time.tzset()

    yield put
    put(was)


@pytest.mark.parametrize(
    ("name", "day", "midnight"),
    [
        ("UTC0", "3/29/2026", "2026-03-29T00:00:00+00:00"),
        # Central Europe: an hour is missing on 29 March, and comes twice on 25 October
        ("CET-1CEST,M3.5.0,M10.5.0/3", "3/29/2026", "2026-03-28T23:00:00+00:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "3/30/2026", "2026-03-29T22:00:00+00:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "10/25/2026", "2026-10-24T22:00:00+00:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "10/26/2026", "2026-10-25T23:00:00+00:00"),
        # Chile: the clocks change at midnight, which 6 September does not have
        ("<-04>4<-03>,M9.1.6/24,M4.1.6/24", "9/6/2026", "2026-09-06T04:00:00+00:00"),
    ],
)
def test_a_stanza_ends_at_its_midnight_also_when_clocks_change(
    zone: Callable[[str], None], name: str, day: str, midnight: str
) -> None:
    zone(name)
    [terms] = configure("", f"{STANZA}ACCESS_EXPIRE {day}\n").policy.stanzas
    assert terms.expires is not None
    assert datetime.fromtimestamp(terms.expires, UTC).isoformat() == midnight


def test_the_language_of_whoever_starts_it_changes_nothing_that_it_says(tmp_path: Path) -> None:
    for name, text in (("fwknopd.conf", "ENABLE_UDP_SERVER maybe;\n"), ("access.conf", STANZA)):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o600)
    argv = [
        sys.executable, "-m", "watchword.programs.fwknopd", "--exit-parse-config",
        "-c", str(tmp_path / "fwknopd.conf"), "-a", str(tmp_path / "access.conf"),
    ]  # fmt: skip
    said = set()
    for language in ("C", "de_DE.UTF-8", "nonsense"):
        env = {**os.environ, "LANG": language, "LC_ALL": language, "LANGUAGE": language}
        done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
        said.add((done.returncode, done.stderr))
    assert len(said) == 1
    assert said.pop()[0] == 0
