"""What our tests put before programs of another user does what it says, and nothing beside it."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.within_reach import within_reach

pytestmark = pytest.mark.system
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
PROJECT, LINK = "work/kept/project", "links/project"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for root alone, and more of that kind on the ways to an open one in it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        for each in ("work", "work/kept", "work/kept/project", "links"):
            (home / each).mkdir(0o700)
        (home / PROJECT).chmod(0o755)
        word = home / PROJECT / "word"
        word.write_text("within reach\n")
        word.chmod(0o644)
        (home / "secret").touch(mode=0o600)
        (home / LINK).symlink_to(f"../{PROJECT}")
        (home / "again").symlink_to("links")
        yield home


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("place", "rest"),
    [(PROJECT, "word"), (LINK, "word"), ("again/project", "word"), ("work/kept", "project/word")],
)
def test_another_user_reads_there_what_lies_open_behind_closed_folders(
    home: Path, place: str, rest: str
) -> None:
    cat = (*AS_NOBODY, "cat", home / place / rest)
    assert "Permission denied" in run(*cat).stderr
    assert run(*within_reach(home / place), *cat).stdout == "within reach\n"


def test_it_is_the_same_process_with_the_same_folder_and_the_same_entries(home: Path) -> None:
    words = [*within_reach(home / PROJECT), *AS_NOBODY, "sh", "-c"]
    script = f'echo $$; pwd; ls "{home}"; cat "{home}/secret"'
    started = subprocess.Popen(
        [*words, script], cwd=home / "work", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    said, complaint = started.communicate(timeout=60)
    assert said.split() == [
        str(started.pid),
        str(home / "work"),
        "again",
        "links",
        "secret",
        "work",
    ]
    assert "Permission denied" in complaint


def test_nothing_of_it_is_seen_outside(home: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    place = home / PROJECT
    inside = run(*within_reach(place), "sh", "-c", f'cat /proc/self/mountinfo; >"{place}/word"')
    assert f" {home} " in inside.stdout
    assert str(home) not in before
    assert str(home) not in Path("/proc/self/mountinfo").read_text()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (home, place.parent)] == [0o700] * 2
    assert (place / "word").read_text() == ""  # what lies there is the real one


def test_where_nothing_is_closed_there_is_nothing_before_the_program(home: Path) -> None:
    assert within_reach(Path("/usr")) == []
    for each in ("", "work", "work/kept", "links"):
        (home / each).chmod(0o711)
    assert within_reach(home / PROJECT, home / LINK) == []
    assert within_reach(home / "work") != []  # others may pass it, and see nothing in it
