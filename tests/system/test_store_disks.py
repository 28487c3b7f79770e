"""What a store does on a disk that is full, or may not be written.

Each test has a small disk of its own, in a mount namespace that ends with it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIMER = f"{shlex.quote(sys.executable)} -m tests.system.store_claimer"
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("unshare"), reason="mount namespaces need root"
    ),
]


def on_a_small_disk(folder: Path, script: str) -> list[str]:
    """Run a script with a 2 MiB disk at $DISK; return the lines it printed."""
    mount = 'mount -t tmpfs -o size=2m,mode=0700 watchword-test "$DISK"'
    done = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-ec", f"{mount}\n{script}"],
        cwd=ROOT,
        env={**os.environ, "DISK": str(folder)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_refuses_and_nothing_is_ever_fresh_twice(tmp_path: Path) -> None:
    [line] = on_a_small_disk(tmp_path, f'{CLAIMER} fill "$DISK"')
    facts = json.loads(line)

    assert len(facts["refusals"]) == 2
    for refusal in facts["refusals"]:
        assert "full" in refusal
    assert not facts["again_without_room"]
    assert facts["again_with_room"]
    assert facts["fresh"] == facts["claimed"], "a batch that was refused was half claimed"
    assert facts["fresh_twice"] == []
    assert facts["forgotten"] == 0


def test_a_disk_that_may_not_be_written_is_told_at_start(tmp_path: Path) -> None:
    remount = 'mount -o remount,ro "$DISK"'
    lines = on_a_small_disk(
        tmp_path, f'{CLAIMER} leave "$DISK"\n{remount}\n{CLAIMER} refused "$DISK"'
    )
    existing, missing = lines
    assert "watchword.sqlite3" in existing
    assert "Read-only file system" in missing
    assert all(line.partition(" | ")[2] for line in lines)
