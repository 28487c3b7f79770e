"""A program that is run like the fwknop client, on the caller of a venue.

In here: its rc file, its environment, one run.
Not in here: what became of it at the server.

Keys are in the rc file and not among the arguments, as they should be.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from watchword.conformance.cells import Cell, Words, filled, rc_text
from watchword.lab.hosts import Host

PATIENCE: Final = 60.0
"""Seconds that one run may take."""


def knock(program: Sequence[str], cell: Cell, words: Words, host: Host, home: Path) -> str:
    """Run the client in an empty home of its own; return what it complained of, or nothing."""
    home.mkdir(mode=0o700)
    rc = home / "rc"
    rc.touch(mode=0o600)
    rc.write_text(rc_text(cell, words), "utf-8")
    options = ("--rc-file", str(rc), "--no-save-args", "-n", "cell", *filled(cell.client, words))
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LOGNAME": "caller",
        "USER": "caller",
    }
    try:
        ran = host.run(
            *program, *options, check=False, seconds=PATIENCE,
            stdin=subprocess.DEVNULL, env=environment, cwd=home,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it did not end within {PATIENCE:.0f} seconds"
    if ran.returncode == 0:
        return ""
    said = " / ".join((ran.stdout + ran.stderr).split("\n")).strip(" /")
    return f"exit status {ran.returncode}: {said[-300:]}"
