"""The public library: its examples run, anywhere, and it asks for nothing but cryptography."""

from __future__ import annotations

import ast
import doctest
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword import spa

SRC = Path(spa.__file__).parents[1]
WITH_EXAMPLES = {
    "watchword.spa": 12,
    "watchword.wire.spa.building": 12,
    "watchword.wire.spa.inspecting": 8,
    "watchword.wire.spa.perl19": 4,
}
"""Modules, and how many examples they have at least."""
POSIX_ONLY = (
    "crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline",
    "resource", "spwd", "syslog", "termios", "tty",
)  # fmt: skip
NOT_FOR_A_LIBRARY = {"asyncio", "socket", "subprocess", "sqlite3", "ssl", "threading", "logging"}

ELSEWHERE = """
import os, sys
import cryptography.hazmat.primitives.ciphers, cryptography.hazmat.primitives.hmac  # its own affair
before = set(sys.modules)
for name in {absent!r}:
    if name != "posix":  # the interpreter's own, here
        sys.modules[name] = None  # importing it is now an ImportError
sys.platform, os.name = {platform!r}, {os_name!r}
from watchword import spa
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(new - set(sys.stdlib_module_names)))
assert not new & {unwanted!r}, new
credential = spa.Credential(spa.Secret(b"k" * 32), mac_key=spa.Secret(b"h" * 32))
ssh = spa.Service.parse("tcp/22")
message = spa.access(spa.ANY_SOURCE, [ssh], user="alice", now=1.5, random=bytes)
payload = spa.seal(message, credential, salt=b"saltsalt")
for lock in (spa.Lock(credential), spa.LenientLock(credential)):
    assert spa.unseal(payload, lock).message == message
assert spa.inspect(payload, spa.Lock(credential)).inside.services == (ssh,)
for mode in spa.CipherMode:
    if mode is not spa.CipherMode.ASYMMETRIC:
        other = spa.Credential(spa.Secret(b"k" * 32), mode)
        payload = spa.seal(message, other, salt=bytes(8))
        assert spa.unseal(payload, spa.Lock(other)).message == message
"""


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_run(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0
    assert outcome.attempted >= WITH_EXAMPLES[name]


def test_what_is_promised_is_there() -> None:
    assert [name for name in spa.__all__ if not hasattr(spa, name)] == []
    assert len(spa.__all__) == len(set(spa.__all__))


@pytest.mark.requirement("4.9")
@pytest.mark.parametrize(
    ("platform", "os_name"), [("win32", "nt"), ("darwin", "posix"), ("linux", "posix")]
)
def test_it_works_where_there_is_no_posix_and_brings_in_nothing_else(
    platform: str, os_name: str
) -> None:
    program = ELSEWHERE.format(
        absent=POSIX_ONLY, platform=platform, os_name=os_name, unwanted=NOT_FOR_A_LIBRARY
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == ["watchword"]


def imported(path: Path) -> Iterator[str]:
    """Full names of what a file imports, inside functions and conditions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_of(name: str) -> Iterator[Path]:
    """The files that are run when this name is imported, packages included."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        place = SRC.joinpath(*parts[:end])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")))


def pulled_in(name: str) -> tuple[set[Path], set[str]]:
    """Our files that a module needs, and the names of others'."""
    todo, seen, foreign = [name], set[Path](), set[str]()
    while todo:
        current = todo.pop()
        if not current.startswith("watchword"):
            foreign.add(current.partition(".")[0])
            continue
        new = {path for path in files_of(current) if path.exists()} - seen
        seen |= new
        todo += [each for path in new for each in imported(path)]
    return seen, foreign


@pytest.mark.requirement("4.9")
def test_no_module_that_it_pulls_in_imports_what_only_posix_has() -> None:
    files, foreign = pulled_in("watchword.spa")
    names = {path.name for path in files}
    assert {"spa.py", "opening.py", "leniency.py", "building.py", "crypto.py", "errors.py"} <= names
    assert foreign & {*POSIX_ONLY, *NOT_FOR_A_LIBRARY} == set()
    assert foreign - set(sys.stdlib_module_names) == {"cryptography"}


def test_a_module_that_only_posix_has_would_be_seen() -> None:
    assert "fcntl" in pulled_in("watchword.programs.fwknopd")[1]
