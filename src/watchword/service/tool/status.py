"""The command watchword status: what the running daemon counts about itself.

In here: its options, and what it prints, for people and as JSON.
Not in here: the question itself (asking), the words (status).
"""

from __future__ import annotations

import argparse
import json

from watchword.service.tool import questions as tool_questions


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "status",
        parents=[tool_questions.live_options()],
        help="what the running daemon counts about itself",
        description="Ask the running fwknopd for packets by verdict, queues, drops, claims, "
        "grants in force and its slowest step. Exit status 1: no daemon answers.",
    )
    parser.set_defaults(answer=_status)


def _status(arguments: argparse.Namespace) -> int:
    from watchword.service import asking
    from watchword.service.daemon import status

    told = asking.ask(tool_questions.socket_of(arguments), "status")
    print(json.dumps(told) if arguments.json else "\n".join(status.in_words(told)))
    return 0
