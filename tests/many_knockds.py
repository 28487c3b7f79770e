"""Starts our knockd many times from one interpreter: ``python -m tests.many_knockds FOLDER``.

Each folder below it has a ``command`` file with the words of a command line. What a
daemon says is in ``said`` beside it, its exit status in ``status``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from watchword.programs import knockd


def _become(folder: Path) -> None:
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    (folder / "pid").write_text(str(os.getpid()), "ascii")
    status = 70
    try:
        status = knockd.main((folder / "command").read_text("utf-8").split("\n"))
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        (folder / "status").write_text(str(status), "ascii")
        os._exit(0)


def main() -> None:
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        if (folder / "command").exists() and os.fork() == 0:
            _become(folder)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
