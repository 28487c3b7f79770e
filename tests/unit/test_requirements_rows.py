"""The table of requirement rows, and what evidence makes of a row."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.requirements.__main__ import lines, page, tally
from tests.requirements.rows import Row, known, read
from tests.requirements.states import Evidence, State, load, save, state
from tools.compare import differences

ROW = Row("1.1", "knock", "one packet", "a port opens", "", "1 First things")
CONTEXT = Row("1.2", "history", "how it began", "–", "", "1 First things")
PASSED = Evidence("t.py::a", "passed")
FAILED = Evidence("t.py::b", "failed")
SKIPPED = Evidence("t.py::c", "skipped")
PART = Evidence("t.py::d", "passed", partial=True)


def test_every_row_is_read_with_its_section() -> None:
    rows = known()
    assert len(rows) == 259
    assert rows["9.46"].name == "--Server-mode knock"
    assert rows["9.46"].section == "9 Seed 004: every client option"


def test_a_bar_inside_a_cell_is_no_border() -> None:
    assert "open|filtered" in known()["2.11"].proof


def test_four_rows_are_context() -> None:
    assert [row.number for row in known().values() if row.is_context] == [
        "4.5", "4.11", "4.29", "5.21",
    ]  # fmt: skip


def test_a_row_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row 1\.1 has 4 cells"):
        list(read("| 1.1 | a | b | c |"))


def test_a_number_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        list(read("| 1.1 | a | b | c | d |\n| 1.1 | a | b | c | d |"))


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([], State.NOT_YET),
        ([PASSED], State.PROVEN),
        ([PASSED, PASSED], State.PROVEN),
        ([PASSED, FAILED], State.PARTLY),
        ([PASSED, SKIPPED], State.PARTLY),
        ([PASSED, PART], State.PROVEN),
        ([PART, PART], State.PARTLY),
        ([PART], State.PARTLY),
        ([FAILED], State.NOT_YET),
        ([SKIPPED], State.NOT_YET),
    ],
)
def test_a_row_is_as_proven_as_all_its_tests_together(
    evidence: list[Evidence], expected: State
) -> None:
    assert state(ROW, evidence) is expected


def test_context_needs_nothing_and_counts_nowhere() -> None:
    assert state(CONTEXT, []) is State.CONTEXT
    assert tally(Counter([State.CONTEXT, State.PROVEN, State.PARTLY])) == "1 of 2 proven, 1 partly"


def test_evidence_survives_being_written_and_read(tmp_path: Path) -> None:
    found = {"1.1": [PASSED, PART], "1.2": [SKIPPED]}
    save(tmp_path / "made" / "here.json", found)
    assert load(tmp_path / "made" / "here.json") == found


def test_what_is_printed_counts_each_section_and_all_of_them() -> None:
    assert list(lines([ROW, CONTEXT], {"1.1": [PASSED]})) == [
        "1 First things: 1 of 1 proven",
        "    1.1  proven   knock",
        "    1.2  context  history",
        "",
        "Overall: 1 of 1 proven",
    ]


def test_the_page_names_each_test_once_whatever_its_parameters() -> None:
    evidence = [Evidence("t.py::a[1]", "passed"), Evidence("t.py::a[2]", "passed")]
    assert "| 1.1 | knock | proven | `t.py::a` |\n" in page([ROW], {"1.1": evidence})


def test_a_copy_that_differs_is_told_apart_from_one_that_does_not() -> None:
    changed = Row("1.1", "knock", "one packet", "two ports open", "", "1 First things")
    assert list(differences([ROW, CONTEXT], [ROW, CONTEXT])) == []
    assert list(differences([ROW], [changed])) == ["row 1.1 differs: knock"]
    assert list(differences([ROW, CONTEXT], [ROW])) == ["row 1.2 is missing from the copy: history"]
    assert list(differences([ROW], [ROW, CONTEXT])) == ["row 1.2 is in the copy only: history"]
    assert list(differences([ROW, CONTEXT], [CONTEXT, ROW])) == ["the rows stand in another order"]


COVERED_BY_PERL = {
    "override files": "7.9",
    "the dump": "7.11",
    "saved packets": "9.26",
    "pauses between commands": "7.7",
    "any interface": "7.1",
    "knoptm's output": "7.17",
}


@cache
def shown_whole() -> frozenset[str]:
    """Rows that some test shows the whole of, by its mark."""
    marks = [
        node
        for path in Path(__file__).parents[1].rglob("test_*.py")
        if "mark.requirement(" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "requirement"
        and not any(keyword.arg == "partial" for keyword in node.keywords)
    ]
    return frozenset(
        str(each.value) for mark in marks for each in mark.args if isinstance(each, ast.Constant)
    )


@pytest.mark.requirement("7.16")
@pytest.mark.parametrize("what", COVERED_BY_PERL)
def test_what_the_tests_of_1_9_12_covered_has_a_test_here_that_shows_all_of_it(what: str) -> None:
    assert COVERED_BY_PERL[what] in shown_whole()
