"""What the client and the tool refuse comes with what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "watchword"
ROOMS = (
    "service/client/*.py", "service/tool/*.py", "dialects/fwknop/client_*.py",
    "dialects/fwknop/stanza_*.py", "dialects/fwknop/rcfile*.py", "edges/send/*.py",
    "edges/hop.py", "edges/dial.py", "edges/splice.py", "edges/gpg.py",
)  # fmt: skip
SAID_ALREADY = {
    "name at least one port to open, and a port from 1 to 65535",
    "is there already, and nothing is written over",
    "takes no passphrase with a line end or a NUL in it",
    "error.strerror",
    "str(error)",
}
"""Where the message is the remedy, or is somebody else's."""


def bare(path: Path) -> Iterator[str]:
    """The messages of errors that are raised without a hint."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
            continue
        call = node.exc
        named = {each.arg for each in call.keywords}
        if ast.unparse(call.func) in ("OperatorError", "HostError") and "hint" not in named:
            yield ast.unparse(call.args[0])


def test_every_refusal_of_the_client_and_the_tool_has_a_remedy() -> None:
    found = [
        f"{path.relative_to(SRC)}: {message}"
        for room in ROOMS
        for path in sorted(SRC.glob(room))
        for message in bare(path)
        if not any(each in message for each in SAID_ALREADY)
    ]
    assert found == []
