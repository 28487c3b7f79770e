"""That a claim is answered only after the disk was made to keep it, as the kernel saw it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = "trace=pwrite64,write,fsync,fdatasync"


def answered_unsynchronised(trace: Iterable[str]) -> tuple[int, int]:
    """How many claims were answered, and how many of them while the log had unsynchronised writes.

    ``trace`` has the lines of strace -f -y. A call that others interrupt is
    told in two lines; it is done at the second.
    """
    answers = early = 0
    written = False
    for line in trace:
        if "pwrite64(" in line and "-wal>" in line:
            written = True
        elif "sync resumed" in line or ("sync(" in line and "-wal>" in line):
            written = written and "unfinished" in line
        elif "write(1<" in line and '"claimed' in line:
            answers += 1
            early += written
    return answers, early


@pytest.mark.system
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace to look over its shoulder")
@pytest.mark.requirement("8.4")
def test_no_claim_is_answered_before_its_log_is_synchronised(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    claimer = [sys.executable, "-m", "tests.system.store_claimer", "aloud", str(tmp_path / "state")]
    argv = ["strace", "-f", "-y", "-s", "16", "-e", CALLS, "-o", str(trace), *claimer]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr

    lines = trace.read_text("ascii", "replace").splitlines()
    assert sum("pwrite64(" in line and "-wal>" in line for line in lines) > 60
    assert answered_unsynchronised(lines) == (30, 0)
