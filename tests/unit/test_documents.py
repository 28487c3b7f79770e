"""The documents: links lead somewhere, both languages say what the product is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.dialects.fwknop import rcfile_write

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
_WRITTEN_BY_MAKE = {ROOT / "docs" / name for name in ("requirements.md", "benchmarks.md")}


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def links(document: Path) -> Iterator[Path]:
    for target in _LINK.findall(document.read_text("utf-8")):
        if "://" not in target:
            yield (document.parent / target).resolve()


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    dead = [to for to in links(document) if not to.exists()]
    assert [str(to) for to in dead if to not in _WRITTEN_BY_MAKE] == []


@pytest.mark.requirement("2.1")
@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("README.md", ("one UDP packet", "**time**", "**one client**", "**transport level**")),
        ("README.zh-CN.md", ("UDP 数据包", "有时间限制", "这一个客户端", "传输层", "单包授权")),
    ],
    ids=["English", "Chinese"],
)
def test_the_first_page_says_what_it_is(document: str, words: tuple[str, ...]) -> None:
    opening = (ROOT / document).read_text("utf-8")[:700]
    assert [word for word in words if word not in opening] == []


@pytest.mark.requirement("2.1")
def test_the_text_of_a_first_run_says_it_too() -> None:
    for words in ("one encrypted UDP packet", "limited in time", "one client", "transport level"):
        assert words in rcfile_write.INITIAL.replace("\n# ", " ")


def test_every_decision_has_its_number_once() -> None:
    records = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
