"""One file that is the client: ``python -m tools.zipapp [--exe [MACHINE]] [FOLDER]``.

    fwknop.pyz   runs wherever a Python 3.11 or later has the package cryptography, which has
                 a compiled part and so cannot be inside. Under the name fwknop1 it is that.
    fwknop.exe   the same bytes behind a launcher for Windows, which looks for python.exe on the
                 PATH and has it run this file; Python does the same elsewhere.

The launcher is the one that pip puts in front of every command that it installs on Windows:
a stub of the project distlib (licence: PSF-2.0), which pip carries along. Nothing is compiled
or fetched. Files come in order of name with one date, so that the same source, and the same
Python, give the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from py_compile import PycInvalidationMode
from py_compile import compile as byte_compile
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PROGRAMS = ("watchword.programs.fwknop", "watchword.programs.fwknop1")
"""What is inside, with every module of ours that they may import."""
STUBS = {"amd64": "t64.exe", "arm64": "t64-arm.exe", "x86": "t32.exe"}
"""Launchers of distlib by machine, for programs of the console."""
LIBRARIES = ("distlib", "pip._vendor.distlib")
"""Where they are. Debian's pip comes without them."""
SHEBANG = b"#!/usr/bin/env python3\n"
SHEBANG_OF_WINDOWS = b"#!/usr/bin/env python.exe\r\n"
DATE = (2026, 1, 1, 0, 0, 0)
LAUNCHER = """\
The program in front of this archive, if there is one, is a launcher of distlib
(Simple Launcher, by Vinay Sajip; https://github.com/pypa/distlib), as it comes with that or pip.
It is distributed under the licence PSF-2.0.
"""
MAIN = '''\
"""Runs the client, and fwknop1 where the file is called that."""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit("fwknop: error: this needs Python 3.11 or later, not " + sys.version.split()[0])
name = os.path.splitext(os.path.basename(sys.argv[0]))[0].lower()
name = name if name == "fwknop1" else "fwknop"
try:
    from importlib import import_module

    sys.exit(import_module("watchword.programs." + name).main())
except ModuleNotFoundError as error:
    if error.name != "cryptography":
        raise
    what = name + ": error: this needs the package cryptography, which is not there"
    sys.exit(what + "\\n" + name + ": hint: python -m pip install cryptography")
'''


class NoLauncherError(Exception):
    """There is no pip here, or one without launchers, as distributions make it."""


def archive() -> bytes:
    """The zip file: what it runs, our modules, and their bytecode for the Python at work."""
    shelf = io.BytesIO()
    with zipfile.ZipFile(shelf, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in _content():
            file.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
    return shelf.getvalue()


def _content() -> Iterator[tuple[str, bytes]]:
    yield "LAUNCHER.txt", LAUNCHER.encode()
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    yield "__main__.py", MAIN.encode()
    for path in modules():
        inside = path.relative_to(SRC).as_posix()
        yield inside, path.read_bytes()
        yield f"{inside}c", _bytecode(path, inside)


def modules() -> list[Path]:
    """The files of our package that the programs can come to import, in order of name."""
    todo, found = list(PROGRAMS), set[Path]()
    while todo:
        parts = todo.pop().split(".")
        for end in range(1, len(parts) + 1):
            place = SRC.joinpath(*parts[:end])
            new = {place / "__init__.py", place.with_suffix(".py")} - found
            for path in filter(Path.exists, new):
                found.add(path)
                todo += _imported(path)
    return sorted(found)


def _imported(path: Path) -> Iterator[str]:
    """Names of ours that a file imports, inside functions too; names of values among them."""
    for node in _at_work(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("watchword."))


def _at_work(node: ast.AST) -> Iterator[ast.AST]:
    """A node with everything inside it, but for what only type checkers take to be so."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for otherwise in child.orelse:
                yield from _at_work(otherwise)
        else:
            yield from _at_work(child)


def _bytecode(path: Path, inside: str) -> bytes:
    """Another Python than this one compiles the text instead, each time."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "made.pyc"
        byte_compile(
            str(path), str(made), inside, doraise=True,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )  # fmt: skip
        return made.read_bytes()


def launcher(machine: str = "amd64") -> bytes:
    """The stub for Windows. Raises NoLauncherError."""
    for module in LIBRARIES:
        with suppress(ModuleNotFoundError):  # there is no pip
            found = importlib.util.find_spec(module)
            stub = Path(found.origin).with_name(STUBS[machine]) if found and found.origin else None
            if stub is not None and stub.exists():
                return stub.read_bytes()
    raise NoLauncherError(f"neither distlib nor the pip of {sys.executable} has {STUBS[machine]}")


def application() -> bytes:
    """The content of ``fwknop.pyz``."""
    return SHEBANG + archive()


def program(machine: str = "amd64") -> bytes:
    """The content of ``fwknop.exe``. Raises NoLauncherError."""
    return launcher(machine) + SHEBANG_OF_WINDOWS + archive()


def main(argv: Sequence[str]) -> int:
    """Write the file that was asked for, and say where it is."""
    parser = argparse.ArgumentParser("python -m tools.zipapp", description="The client in one file")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="where to")
    parser.add_argument(
        "--exe",
        nargs="?",
        choices=STUBS,
        const="amd64",
        help="for Windows, on this machine (amd64)",
    )
    wanted = parser.parse_args(argv)
    name = "fwknop.exe" if wanted.exe else "fwknop.pyz"
    try:
        content = program(wanted.exe) if wanted.exe else application()
    except NoLauncherError as error:
        print(f"zipapp: error: {error}", file=sys.stderr)
        print("zipapp: hint: pip install distlib", file=sys.stderr)
        return 1
    wanted.folder.mkdir(parents=True, exist_ok=True)
    (wanted.folder / name).write_bytes(content)
    (wanted.folder / name).chmod(0o755)
    print(f"written: {wanted.folder / name}, {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
