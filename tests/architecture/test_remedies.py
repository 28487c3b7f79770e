"""What the client and the tool refuse comes with what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "watchword"
ROOMS = (
    "service/client/*.py", "service/tool/*.py", "service/knock/*.py", "dialects/knockd/*.py",
    "dialects/fwknop/client*.py", "dialects/fwknop/stanza_*.py", "dialects/fwknop/rcfile*.py",
    "edges/send/*.py", "edges/send_file.py", "edges/prompt.py", "edges/terminal_windows.py",
    "edges/one_time.py", "edges/capture/knocks.py", "edges/takeover.py", "edges/qr.py",
    "edges/hop.py", "edges/dial.py", "edges/splice.py", "edges/gpg.py",
)  # fmt: skip
ERRORS = {"OperatorError", "HostError", "UsageError"}
SAID_ALREADY = {
    "name at least one port to open, and a port from 1 to 65535",
    "is there already, and nothing is written over",
    "takes no passphrase with a line end or a NUL in it",
    "error.strerror",
    "str(error)",
}
"""Where the message is the remedy, or is somebody else's."""


def bare(source: str) -> Iterator[str]:
    """The messages of errors that are made without a hint."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS):
            continue
        if not {each.arg for each in node.keywords} & {"hint", None}:
            yield ast.unparse(node.args[0])


def test_every_refusal_of_the_client_and_the_tool_has_a_remedy() -> None:
    found = [
        f"{path.relative_to(SRC)}: {message}"
        for room in ROOMS
        for path in sorted(SRC.glob(room))
        for message in bare(path.read_text("utf-8"))
        if not any(each in message for each in SAID_ALREADY)
    ]
    assert found == []


def test_an_error_without_a_hint_would_be_seen() -> None:
    assert list(bare("raise OperatorError('no')")) == ["'no'"]
    assert not list(bare("raise OperatorError('no', hint='do this')"))
    assert not list(bare("raise ValueError('no')"))
    assert all(any(SRC.glob(room)) for room in ROOMS)
