"""Runs fwknopd with less than a second for each call of an nft that is a shell script.

The real one has its usual time, since this machine may be busy.

``python tests/system/impatient.py ARGUMENTS...``
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watchword.edges.programs import SystemPrograms
from watchword.ports import Completed
from watchword.programs.fwknopd import main

LIMIT = 0.8
NFT = Path("/usr/sbin/nft")
_true_run = SystemPrograms.run


def run(
    programs: SystemPrograms, argv: Sequence[str], *, seconds: float = 10.0, **more: Any
) -> Completed:
    if argv[0] == "nft" and NFT.exists() and NFT.read_bytes()[:2] == b"#!":
        seconds = LIMIT
    return _true_run(programs, argv, seconds=seconds, **more)


if __name__ == "__main__":
    setattr(SystemPrograms, "run", run)  # noqa: B010 - mypy takes no assignment to a method
    sys.exit(main(sys.argv[1:]))
