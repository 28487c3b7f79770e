"""Runs fwknopd so that it dies, as by kill -9, at one point of the way of a packet.

``python tests/system/sabotage.py FILE ARGUMENTS...``: FILE, which may change while it runs, names
the point. While it names none, nothing happens to it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.replay.journal import SqliteJournal
from watchword.edges.replay.sqlite import SqliteReplayStore
from watchword.edges.report.lines import LineReporter
from watchword.model.outcomes import Judged
from watchword.programs.fwknopd import main
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.gates import Gates

POINTS: dict[str, tuple[type, str, bool]] = {
    "received": (Gate, "receive", False),
    "before-claim": (SqliteReplayStore, "claim", False),
    "after-claim": (SqliteReplayStore, "claim", True),
    "before-firewall": (NftFirewall, "apply", False),
    "after-firewall": (NftFirewall, "apply", True),
    "before-journal": (SqliteJournal, "granted", False),
    "after-journal": (SqliteJournal, "granted", True),
    "before-report": (LineReporter, "report", False),
    "after-report": (LineReporter, "report", True),
    "settled": (Gate, "settle", True),
}


ENDS: dict[str, tuple[type, str, bool]] = {
    "before-ended": (SqliteJournal, "ended", False),
    "after-ended": (SqliteJournal, "ended", True),
}
"""Not of the way of a packet: when a grant ends."""
RELOAD: dict[str, tuple[type, str, bool]] = {"reload": (Gates, "finish", True)}
"""In the middle of a reload: new sockets are open, the old policy has decided its last."""


def die() -> None:
    signal.raise_signal(signal.SIGKILL)  # which a process without rights may do


def is_it(*arguments: object) -> bool:
    """Whether a call is about a packet, and not one of the start."""
    if not arguments:
        return True
    argument = arguments[0]
    if hasattr(argument, "add"):
        return bool(argument.add)
    if isinstance(argument, (list, tuple)):
        return bool(argument)
    return isinstance(argument, Judged)


def deadly(
    method: Callable[..., Any], afterwards: bool, is_chosen: Callable[[], bool]
) -> Callable[..., Any]:
    @wraps(method)
    def plain(self: object, *arguments: object) -> object:
        if not afterwards and is_it(*arguments) and is_chosen():
            die()
        answer = method(self, *arguments)
        if afterwards and is_it(*arguments) and is_chosen():
            die()
        return answer

    @wraps(method)
    async def waiting(self: object, *arguments: object) -> object:
        if not afterwards and is_it(*arguments) and is_chosen():
            die()
        answer = await method(self, *arguments)
        if afterwards and is_it(*arguments) and is_chosen():
            die()
        return answer

    return waiting if iscoroutinefunction(method) else plain


def set_up(chosen: Path) -> None:
    """Make every point deadly while the file names it."""
    for point, (room, name, afterwards) in (POINTS | ENDS | RELOAD).items():
        is_chosen = partial(lambda point: chosen.read_text("ascii") == point, point)
        setattr(room, name, deadly(getattr(room, name), afterwards, is_chosen))


if __name__ == "__main__":
    set_up(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
