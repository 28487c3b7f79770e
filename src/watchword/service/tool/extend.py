"""The command watchword extend: a grant lasts longer.

In here: its options, and what it prints, for people and as JSON.
Not in here: extending (changes).
"""

from __future__ import annotations

import argparse
import json

from watchword.service.tool import questions as tool_questions


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "extend",
        parents=[tool_questions.live_options()],
        help="let a grant last longer",
        description="Move the end of a grant. No more time may remain then than MAX_FW_TIMEOUT "
        "of its stanza.",
    )
    parser.add_argument("grant", metavar="GRANT", help="its name, as watchword grants shows it")
    parser.add_argument("seconds", metavar="SECONDS", type=int, help="how much longer")
    parser.add_argument(
        "--beyond-policy", action="store_true", help="longer than MAX_FW_TIMEOUT; only for root"
    )
    parser.set_defaults(answer=_extend)


def _extend(arguments: argparse.Namespace) -> int:
    from watchword.service import asking

    told = asking.change(
        tool_questions.socket_of(arguments),
        "extend",
        grant=arguments.grant,
        seconds=arguments.seconds,
        beyond_policy=arguments.beyond_policy,
    )
    if arguments.json:
        print(json.dumps(told))
    else:
        print(f"grant {told['grant']}: {told['remaining']:.0f} seconds remain")
    return 0
