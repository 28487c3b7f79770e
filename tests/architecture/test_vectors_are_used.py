"""Every file of golden vectors drives a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from watchword.conformance.golden import HERE, files_of_kind

TESTS = Path(__file__).parents[1]


def read_by(path: Path) -> Iterator[str]:
    """The files that a test module loads: by name, or all of one kind."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and len(node.args) == 1):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        [argument] = node.args
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            continue
        if called == "load":
            yield argument.value
        elif called in ("all_of_kind", "files_of_kind"):
            yield from files_of_kind(argument.value)


def imports_vectors(path: Path) -> bool:
    return "watchword.conformance.golden" in path.read_text("utf-8")


def test_every_file_of_vectors_drives_a_test() -> None:
    modules = [path for path in TESTS.rglob("test_*.py") if imports_vectors(path)]
    used = {name for path in modules for name in read_by(path)}
    there = {path.stem for path in HERE.glob("*.json")}
    assert len(there) == 21
    assert sorted(there - used) == []


def test_a_file_that_no_test_reads_would_be_seen(tmp_path: Path) -> None:
    probe = tmp_path / "test_probe.py"
    probe.write_text('V = load("keys")\nW = all_of_kind("gpg")\nX = load(name)\n', "utf-8")
    assert list(read_by(probe)) == ["keys", "gpg"]
