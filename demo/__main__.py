"""Runs the demo: ``make demo``, or ``python -m demo [--keep] [--remove]``.

Exit status: 0 everything that was claimed was checked and is true, 1 it is
not or could not be shown, 2 asked for wrongly, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from demo import leftovers
from demo.narrator import Narrator
from demo.scenes import Story
from demo.sshd import USER
from demo.stage import PROGRAMS, Stage
from demo.waiting import StageError
from watchword.lab.hosts import Lab, can_make_namespaces

OURS = ("fwknop", "fwknopd", "watchword")


def options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Watchword between throw-away hosts")
    parser.add_argument("--keep", action="store_true", help="leave the hosts there to play with")
    parser.add_argument(
        "--remove",
        action="store_true",
        help="remove the hosts of earlier runs, and do nothing else",
    )
    return parser.parse_args(argv)


def trouble() -> str:
    """Why there can be no demo here; empty if there can."""
    if reason := can_make_namespaces():
        return reason
    missing = [name for name in OURS if not (PROGRAMS / name).exists()]
    return f"not installed in {PROGRAMS}: {', '.join(missing)}" if missing else ""


def interrupt(number: int, frame: FrameType | None) -> None:
    """A request to end unwinds everything, as Ctrl-C does."""
    raise KeyboardInterrupt


def perform(folder: Path, lab: Lab) -> int:
    """Play every scene; the exit status."""
    narrator = Narrator()
    began = time.monotonic()
    try:
        Story(Stage(lab, folder), narrator).play()
    except (StageError, subprocess.SubprocessError) as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 1
    return narrator.end(time.monotonic() - began)


def how_to_play(folder: Path, lab: Lab) -> str:
    """What to type on the hosts that were kept."""
    caller, server, stranger = (
        f"ip netns exec {lab.stem}-{name}" for name in ("caller", "server", "stranger")
    )
    fwknop, fwknopd = (shlex.quote(str(PROGRAMS / name)) for name in ("fwknop", "fwknopd"))
    return f"""
The hosts are still there:
  {caller} env HOME={folder}/caller {fwknop} -n server
  {caller} ssh -i {folder}/user_key -o UserKnownHostsFile=/dev/null {USER}@203.0.113.1
  {stranger} nmap -Pn -p 22,80 203.0.113.1
  {server} {fwknopd} -c {folder}/fwknopd.conf -a {folder}/access.conf --fw-list
  tail -f {folder}/fwknopd.log
Remove them: make demo-remove
"""


def main(argv: list[str]) -> int:
    wanted = options(argv)
    if wanted.remove:
        for folder in leftovers.left():
            leftovers.remove(folder)
            print(f"removed {folder.name}")
        return 0
    if reason := trouble():
        print(f"demo: error: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    folder, lab = leftovers.new_folder(), Lab(leftovers.PREFIX)
    keep = False
    try:
        status = perform(folder, lab)
        keep = wanted.keep
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        status = 130
    finally:
        if not keep:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C leaves nothing either
            leftovers.remove(folder)
    if keep:
        (folder / leftovers.KEPT).touch()
        print(how_to_play(folder, lab))
    return status


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
