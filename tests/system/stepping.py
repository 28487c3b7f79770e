"""Runs fwknopd with a wall clock that a test can step.

``python tests/system/stepping.py FILE ARGUMENTS...``: FILE holds the seconds by
which the wall clock is wrong; nothing for none. The steady clock and the
kernel's are left alone, as when an administrator sets the time. The replay
store is pruned five times a second, so that a test does not wait for it, and
FILE.pruned holds the time by which it was pruned last.
"""

from __future__ import annotations

import sys
from pathlib import Path

from watchword.edges.clock import SystemClock
from watchword.edges.replay.sqlite import SqliteReplayStore
from watchword.model.moments import Moment
from watchword.programs.fwknopd import main
from watchword.service.daemon import keeper

_true_now = SystemClock.now
_true_forget = SqliteReplayStore.forget
_wrong = Path(sys.argv[1])


def now(clock: SystemClock) -> Moment:
    moment = _true_now(clock)
    return moment._replace(wall=moment.wall + float(_wrong.read_text("ascii") or 0))


async def forget(store: SqliteReplayStore, before: float) -> int:
    gone = await _true_forget(store, before)
    _wrong.with_suffix(".pruned").write_text(str(before), "ascii")
    return gone


if __name__ == "__main__":
    setattr(SystemClock, "now", now)  # noqa: B010 - mypy takes no assignment to a method
    setattr(SqliteReplayStore, "forget", forget)  # noqa: B010
    keeper.FORGET = 0.2
    sys.exit(main(sys.argv[2:]))
