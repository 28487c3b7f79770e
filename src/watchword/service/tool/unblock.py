"""The command watchword unblock: a blocked key is as good as before.

In here: its options, and what it prints, for people and as JSON.
Not in here: unblocking (block_changes), how a key is named (tool_block).
"""

from __future__ import annotations

import argparse
import json

from watchword.service.tool import questions as tool_questions


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "unblock",
        parents=[tool_questions.live_options()],
        help="accept again what is sealed with a blocked key",
        description="Take back watchword block. Grants that it ended stay ended, and packets "
        "that were refused meanwhile stay refused.",
    )
    parser.add_argument("key", metavar="STANZA|KEY", help="the number of its stanza, or its name")
    parser.set_defaults(answer=_unblock)


def _unblock(arguments: argparse.Namespace) -> int:
    from watchword.service import asking
    from watchword.service.tool import block as tool_block

    meant = tool_block.target(arguments.key)
    told = asking.change(tool_questions.socket_of(arguments), "unblock", **meant)
    print(json.dumps(told) if arguments.json else f"unblocked: {', '.join(told['keys'])}")
    return 0
