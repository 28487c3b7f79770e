"""The command watchword revoke: grants end now.

In here: its options, and what it prints, for people and as JSON.
Not in here: revoking (changes).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

DONE, NOT_DONE = 0, 1
_NAME = re.compile(r"[0-9a-f]{10}")
_FEW: Final = 8
"""Grants that are named one by one."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "revoke",
        parents=[tool_questions.live_options()],
        help="end grants now",
        description="End grants before their time: one, those of a caller's address, those of a "
        "stanza, or all. Connections that are under way go on unless --cut is given. Exit "
        "status 1: there was nothing to revoke, or it is not done.",
    )
    parser.add_argument(
        "who", nargs="?", metavar="GRANT|ADDRESS", help="as watchword grants shows it"
    )
    parser.add_argument(
        "--stanza", type=int, metavar="N", help="those of this stanza of access.conf"
    )
    parser.add_argument("--all", action="store_true", help="every grant in force")
    parser.add_argument("--cut", action="store_true", help="end their connections, too")
    parser.set_defaults(answer=_revoke)


def _revoke(arguments: argparse.Namespace) -> int:
    from watchword.service import asking

    target = _target(arguments)
    path = tool_questions.socket_of(arguments)
    told = asking.change(path, "revoke", cut=arguments.cut, **target)
    if arguments.json:
        print(json.dumps(told))
    else:
        print("\n".join(lines(told, cut=arguments.cut)))
    empty = not told["count"] and not arguments.all
    return NOT_DONE if empty or told["trouble"] or told.get("not_closed") else DONE


def _target(arguments: argparse.Namespace) -> dict[str, object]:
    """What is to end. Raises OperatorError unless it is exactly one thing."""
    found: dict[str, object] = {}
    if arguments.who is not None:
        name = _NAME.fullmatch(arguments.who)
        found["grant" if name else "address"] = arguments.who
    if arguments.stanza is not None:
        found["stanza"] = arguments.stanza
    if arguments.all:
        found["all"] = True
    if len(found) != 1:
        raise OperatorError(
            "say what is to end: one grant or address, or --stanza, or --all",
            hint="watchword grants shows what is in force",
        )
    return found


def _named(names: Sequence[str], count: int) -> str:
    more = f" and {count - _FEW} more" if count > _FEW else ""
    return f"{', '.join(names[:_FEW])}{more}"


def lines(told: dict[str, Any], *, cut: bool) -> list[str]:
    """What came of it, for a person."""
    if not told["count"]:
        found = ["no grant in force is meant by that"]
    else:
        found = [f"revoked: {_named(told['revoked'], told['count'])}"]
    if closing := told.get("closing"):
        found.append(
            f"closed by commands, which run now: {_named(closing, len(closing))}; the log says "
            "what they could not close"
        )
    if not_closed := told.get("not_closed"):
        found.append(
            f"NOT CLOSED: {_named(not_closed, len(not_closed))}: no command of ours closes what "
            "was opened (CMD_CYCLE_CLOSE NONE); end it where it is open"
        )
    if cut:
        found.append(f"connections cut: {told['cut']}")
    if told["trouble"]:
        found.append(f"NOT CARRIED OUT YET, it is tried again: {told['trouble']}")
    return found
