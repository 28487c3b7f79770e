"""The command watchword grants: who may reach what just now, and for how long.

In here: its options, what it prints, for people and as JSON, and the live view.
Not in here: asking (grants_told), the table (grant_rows), the screen (edges).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from watchword.errors import HostError, OperatorError
from watchword.service.tool import questions as tool_questions

_EVERY = 1.0  # seconds between two pictures
AS_IT_SHOULD_BE, NOT_SO = 0, 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "grants",
        parents=[tool_questions.live_options()],
        help="who may reach what just now, and for how long",
        description="List the grants in force: for whom, for what, by which stanza, since when, "
        "for how long still, and whether the firewall really has them. Exit status 1: no daemon "
        "answers, or the firewall lacks one.",
    )
    parser.add_argument(
        "-w", "--watch", action="store_true", help="go on showing them, until Ctrl-C"
    )
    parser.set_defaults(answer=_grants)


def _grants(arguments: argparse.Namespace) -> int:
    from watchword.service.daemon import grant_rows
    from watchword.service.tool import grants_told

    path = tool_questions.socket_of(arguments)
    if arguments.watch:
        return _watch(arguments)
    told = grants_told.ask_all(path)
    if arguments.json:
        print(json.dumps(told))
    else:
        print("\n".join([*grant_rows.table(told["grants"]), *_remarks(told)]))
    return NOT_SO if any(each["missing"] for each in told["grants"]) else AS_IT_SHOULD_BE


def _watch(arguments: argparse.Namespace) -> int:
    from watchword.edges import screen
    from watchword.service.daemon import grant_rows
    from watchword.service.tool import grants_told

    if arguments.json or not screen.there():
        raise OperatorError(
            "--watch is for people at a terminal", hint="leave it out, and ask again now and then"
        )
    path = tool_questions.socket_of(arguments)

    def picture(lines: int) -> Sequence[str]:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        try:
            told = grants_told.ask_all(path, most=lines)
        except HostError as error:
            return [f"{now}  {error}", error.hint]
        title = f"{now}  grants in force: {told['total']}   (Ctrl-C ends this view)"
        title = "  ".join([title, *_not_closed(told)])
        rows = sorted(told["grants"], key=lambda each: each["remaining"])
        found = [title, "", *grant_rows.table(rows)]
        return found if len(found) <= lines else [*found[: lines - 1], "..."]

    screen.show_again(picture, _EVERY)
    return AS_IT_SHOULD_BE


def _remarks(told: Mapping[str, Any]) -> list[str]:
    found = []
    if (more := told["total"] - len(told["grants"])) > 0:
        found.append(f"and {more} more")
    if any(each["missing"] for each in told["grants"]):
        found.append("NO: the firewall lacks what should be open; the log of fwknopd says why")
    return [*found, *_not_closed(told)]


def _not_closed(told: Mapping[str, Any]) -> list[str]:
    """That something is open which no grant in force stands for."""
    count = told.get("not_closed", 0)
    over = "1 grant that is" if count == 1 else f"{count} grants that are"
    what = f"NOT CLOSED: what commands opened for {over} over; see watchword status"
    return [what] if count else []
