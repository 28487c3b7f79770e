"""The PID file and its lock: whatever lies there, the kernel is asked who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from watchword.errors import HostError
from watchword.service.daemon import process
from watchword.service.daemon.process import PidFile

HOLD = """
import sys
from collections.abc import Callable
from pathlib import Path
from watchword.service.daemon.process import PidFile
held = PidFile(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "left", ["4194303\n", "99999999999999999999\n", "no number", "", f"{os.getppid()}\n"]
)
def test_a_file_that_a_crash_left_is_taken_over_whatever_it_says(tmp_path: Path, left: str) -> None:
    """Also one with more digits than ours, and one that names a process that lives."""
    path = tmp_path / "fwknopd.pid"
    path.write_text(left)
    assert process.holder(path) is None
    assert process.stop(path) is None  # nobody is signalled who does not hold the lock
    held = PidFile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 in (0o600, 0o644)
    held.close()
    assert process.holder(path) is None


def test_of_two_the_second_is_told_who_the_first_is_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fwknopd.pid"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "held\n"
        path.write_text("1234567\n")  # whatever somebody writes into it: the kernel is asked
        assert process.holder(path) == first.pid
        with pytest.raises(HostError, match=f"already running: \\(PID={first.pid}\\)"):
            PidFile(path)
        assert path.read_text() == "1234567\n"
        first.stdin.close()
        first.wait(60)
    PidFile(path).close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    path = tmp_path / "fwknopd.pid"
    path.symlink_to(other)
    with pytest.raises(HostError):
        PidFile(path)
    assert other.read_text() == "mine"


@pytest.mark.parametrize("end", [process.stop, process.reload])
def test_whoever_holds_the_lock_and_is_no_server_is_left_alone(
    tmp_path: Path, end: Callable[[Path], object]
) -> None:
    path = tmp_path / "fwknopd.pid"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as decoy:
        assert decoy.stdout is not None
        assert decoy.stdin is not None
        assert decoy.stdout.readline() == "held\n"
        with pytest.raises(HostError, match=f"process {decoy.pid} holds .* and is no fwknopd"):
            end(path)
        assert decoy.poll() is None
        decoy.stdin.close()
        assert decoy.wait(60) == 0
