"""Whatever the client refuses, it says what to do about it: every error there has a hint. So has
whatever the server refuses in its files.

A complaint about who may read a file says in itself what its mode should be, and somebody
who ended a prompt knows why. What one resolver of several says is put together, with a hint
of its own, in ``service.client.whereabouts``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "watchword"
OF_THE_CLIENT = (
    "dialects/fwknop/client*.py", "dialects/fwknop/rcfile*.py", "service/client/*.py",
    "service/tool/caller.py", "service/tool/approach.py", "service/tool/connect.py",
    "service/tool/run.py", "service/tool/export.py", "service/tool/import_.py",
    "service/tool/doctor.py",
    "edges/send/*.py", "edges/send_file.py", "edges/prompt.py", "edges/terminal_windows.py",
    "dialects/knockd/*.py", "service/knock/*.py", "edges/one_time.py", "edges/capture/knocks.py",
    "service/tool/sheet.py", "edges/dial.py", "edges/splice.py", "edges/takeover.py", "edges/qr.py",
)  # fmt: skip
ERRORS = {"OperatorError", "HostError", "UsageError"}


def files() -> list[Path]:
    found = [path for pattern in OF_THE_CLIENT for path in sorted(SRC.glob(pattern))]
    assert len(found) > len(OF_THE_CLIENT)
    return found


def without_hint(source: str) -> Iterator[ast.Call]:
    """Errors that are made with a message and nothing to do about it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            given = {keyword.arg for keyword in node.keywords}
            if node.func.id in ERRORS and not given & {"hint", None}:
                yield node


def test_every_error_of_the_client_says_what_to_do() -> None:
    silent = [
        f"{path.relative_to(SRC)}:{call.lineno}"
        for path in files()
        for call in without_hint(path.read_text("utf-8"))
    ]
    assert silent == []


def test_an_error_without_a_hint_would_be_seen() -> None:
    assert list(without_hint("raise OperatorError('no')"))
    assert not list(without_hint("raise OperatorError('no', hint='do this')"))
    assert not list(without_hint("raise ValueError('no')"))


def refused_without_hint(source: str) -> Iterator[ast.Call]:
    """What a file is refused for: a message and its place, and nothing to do about it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            whole = any(isinstance(each, ast.Starred) for each in node.args)
            given = len(node.args) + len(node.keywords)
            if node.func.attr == "refuse" and given < 3 and not whole:
                yield node


def test_everything_that_a_file_of_the_server_is_refused_for_has_a_remedy() -> None:
    files = sorted((SRC / "dialects" / "fwknop").glob("*.py"))
    silent = [
        f"{path.name}:{call.lineno}"
        for path in files
        for call in refused_without_hint(path.read_text("utf-8"))
    ]
    assert silent == []
    assert list(refused_without_hint("complaints.refuse('no', place)"))
    assert not list(refused_without_hint("complaints.refuse('no', place, 'do this')"))
