"""Which room may import which. A new arrow is a decision, made here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "watchword"
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "record": set(),
    "errors": {"record"},
    "model": {"record", "errors"},
    "wire": {"record", "errors", "model"},
    "spa": {"record", "errors", "model", "wire"},
    "recognise": {"record", "errors", "model", "wire"},
    "grant": {"record", "errors", "model"},
    "dialects": {"record", "errors", "model", "wire"},
    "ports": {"record", "errors", "model"},
    "edges": {"record", "errors", "model", "wire", "ports"},
    "lab": set(),
    "conformance": {"errors", "model", "wire", "spa", "lab"},
    "simulation": {"errors", "lab"},
    "service": {
        "__init__", "record", "errors", "model", "wire", "recognise", "grant", "dialects", "ports",
        "edges", "conformance", "simulation",
    },
    "programs": {"__init__", "errors", "model", "dialects", "service"},
}  # fmt: skip
PURE = {"record", "errors", "model", "wire", "spa", "recognise", "grant", "dialects", "ports"}
IMPURE_MODULES = {
    "asyncio", "socket", "subprocess", "time", "os", "random", "secrets", "logging", "threading",
}  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            if node.module == "watchword":
                yield from (f"watchword.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def trespasses(path: Path) -> Iterator[str]:
    room = room_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        entered = rest.split(".")[0] or "__init__"
        if top == "watchword" and entered.startswith("__version__"):
            entered = "__init__"
        if top == "watchword" and entered not in MAY_IMPORT[room] | {room}:
            yield f"{path.relative_to(SRC)} imports {name}"
        if room in PURE and top in IMPURE_MODULES:
            yield f"{path.relative_to(SRC)} is pure and imports {name}"


def test_arrows_point_inwards() -> None:
    assert [each for path in SRC.rglob("*.py") for each in trespasses(path)] == []


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in SRC.rglob("*.py")} <= set(MAY_IMPORT)


def test_the_three_inner_rooms_do_not_know_each_other() -> None:
    inner = {"recognise", "grant", "dialects"}
    for room in inner:
        assert not MAY_IMPORT[room] & (inner - {room})


def test_a_trespass_would_be_seen(tmp_path: Path) -> None:
    bad = SRC / "grant" / "__init__.py"
    assert room_of(bad) == "grant"
    source = tmp_path / "probe.py"
    source.write_text("import time\nfrom watchword.edges import clock\n", "utf-8")
    assert list(imports(source)) == ["time", "watchword.edges"]
