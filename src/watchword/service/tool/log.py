"""The command watchword log: what the running daemon has told lately.

In here: its options, and what it prints, for people and as JSON.
Not in here: what is kept (recent), asking (recent_told), the journal (edges.replay).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

_MOST: Final = 1_000_000
"""More than is ever kept."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "log",
        parents=[tool_questions.live_options()],
        help="what the running daemon has told lately",
        description="The last events of the running fwknopd in the words of its log, wherever "
        "that goes, or as JSON.",
    )
    parser.add_argument("-n", "--last", type=int, metavar="N", help="no more than the last N")
    parser.add_argument("-f", "--follow", action="store_true", help="and what happens from now on")
    parser.add_argument(
        "--changes", action="store_true", help="what people changed, from the journal, all runs"
    )
    parser.set_defaults(answer=_log)


def _log(arguments: argparse.Namespace) -> int:
    from watchword.service.tool import recent_told

    if arguments.last is not None and not 1 <= arguments.last <= _MOST:
        raise OperatorError(
            f"--last has to be a number from 1 to {_MOST}", hint="leave it out for all there is"
        )
    if arguments.changes:
        return _changes(arguments)
    path = tool_questions.socket_of(arguments)
    if not arguments.follow:
        pieces = recent_told.events(path, "log", follow=False)
        _print((told for piece in pieces for told in piece), arguments)
        return 0
    for piece in recent_told.events(path, "log", follow=True):
        _print(piece, arguments)
        arguments.last = None  # of what was there before
    return 0


def _print(told: Iterable[Mapping[str, Any]], arguments: argparse.Namespace) -> None:
    for each in deque(told, maxlen=arguments.last):
        if arguments.json:
            print(json.dumps(each))
        else:
            print("\n".join(f"{_when(each['at'])}  {line}" for line in each["lines"]))
    sys.stdout.flush()


def _changes(arguments: argparse.Namespace) -> int:
    from watchword.edges.replay.reading import read_changes
    from watchword.service.daemon import own_files

    state_dir = own_files.places(tool_questions.given(arguments)).state_dir
    found = read_changes(state_dir, arguments.last or 1000)
    if not (found or arguments.json):
        print(f"nobody has changed anything, as far as {state_dir} remembers")
    for each in reversed(found):
        if arguments.json:
            told = {
                "at": each.at,
                "uid": each.uid,
                "pid": each.pid,
                "action": each.action.value,
                "target": each.target,
                "result": each.result,
            }
            print(json.dumps(told))
        else:
            said = f"{_when(each.at)}  user id {each.uid}: {each.action} {each.target}: "
            print((said + each.result).encode("unicode_escape").decode("ascii"))
    return 0


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")[:19]
