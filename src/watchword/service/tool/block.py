"""The command watchword block: the kill switch of a key.

In here: its options, and what it prints, for people and as JSON; how a stanza or
key is named.
Not in here: blocking (block_changes), the way back (tool_unblock).
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

DONE, NOT_DONE = 0, 1
_KEY, _STANZA = re.compile(r"[0-9a-f]{12}"), re.compile(r"#?([0-9]{1,9})")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "block",
        parents=[tool_questions.live_options()],
        help="accept nothing more that is sealed with a key",
        description="Throw the kill switch of a key: from now on nothing that is sealed with it is "
        "accepted, and what it has opened ends. It stays so over reloads and restarts, until "
        "watchword unblock.",
    )
    parser.add_argument(
        "key", nargs="?", metavar="STANZA|KEY", help="the number of its stanza, or its name"
    )
    parser.add_argument("--list", action="store_true", help="the keys, and which are blocked")
    parser.add_argument("--cut", action="store_true", help="end its callers' connections, too")
    parser.set_defaults(answer=_block)


def target(word: str | None) -> dict[str, object]:
    """What is meant by an operand. Raises OperatorError."""
    if word and _KEY.fullmatch(word):
        return {"key": word}
    if word and (found := _STANZA.fullmatch(word)):
        return {"stanza": int(found[1])}
    raise OperatorError(
        "say whose key: the number of a stanza, or twelve hex digits",
        hint="watchword block --list shows both",
    )


def _block(arguments: argparse.Namespace) -> int:
    from watchword.service import asking
    from watchword.service.tool import revoke as tool_revoke

    if arguments.list:
        return _list(arguments)
    meant = target(arguments.key)
    path = tool_questions.socket_of(arguments)
    told = asking.change(path, "block", cut=arguments.cut, **meant)
    if arguments.json:
        print(json.dumps(told))
    else:
        print(f"blocked: {', '.join(told['keys'])}")
        if told["count"] or told["trouble"] or arguments.cut:
            print("\n".join(tool_revoke.lines(told, cut=arguments.cut)))
    return NOT_DONE if told["trouble"] else DONE


def _list(arguments: argparse.Namespace) -> int:
    path = tool_questions.socket_of(arguments)
    told = _all_keys(path)
    if arguments.json:
        print(json.dumps(told))
        return DONE
    for each in told["stanzas"]:
        said = f"#{each['stanza']}  {' '.join(each['keys'])}  {each['place']}"
        print(f"{said}  BLOCKED since {_when(each)}" if each["blocked"] else said)
    for each in told["blocked_without_stanza"]:
        print(f"-  {each['key']}  BLOCKED, of no stanza; it was {each['was']}")
    return DONE


def _all_keys(path: Path) -> dict[str, Any]:
    from watchword.service import asking

    told = asking.ask(path, "keys")
    while len(told["stanzas"]) < told["total"]:
        more = asking.ask(path, "keys", **{"from": len(told["stanzas"])})["stanzas"]
        if not more:
            break
        told["stanzas"] += more
    return told


def _when(told: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(told["since"], UTC).astimezone()
    return f"{at.isoformat(' ', timespec='seconds')[:19]} by user id {told['by']}"
