"""Collects which tests carry the number of which requirement row, and what became of them.

In here: the ``requirement`` mark. A number that no row has is an error before
the first test runs. A whole run leaves its findings in .cache/requirements.json;
a run of a selection of tests leaves what is there alone, since it knows only a part.
Marks travel with the reports, because the processes that run tests are not the one
that keeps count where there are several.
Not in here: what the findings make of a row (tests.requirements.states).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from tests.requirements.rows import known
from tests.requirements.states import Evidence, save

PROPERTY = "requirement rows"
FOUND_IN = (".cache", "requirements.json")


def rows_of(item: pytest.Item) -> Iterator[tuple[str, bool]]:
    """Row numbers that a test carries, and whether the mark says that it shows a part only."""
    for mark in item.iter_markers("requirement"):
        if not mark.args or not mark.kwargs.keys() <= {"partial"}:
            raise pytest.UsageError(
                f'{item.nodeid}: write requirement("9.46", ...), with partial=True or without'
            )
        for number in mark.args:
            yield str(number), bool(mark.kwargs.get("partial", False))


class Collector:
    """Follows one run from collection to its end."""

    def __init__(self) -> None:
        self.marks: dict[str, list[tuple[str, bool]]] = {}
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)  # before -k and the like take tests away
    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        rows = known()
        self.marks = {item.nodeid: list(rows_of(item)) for item in items}
        unknown = [
            f"{test}: there is no requirement row {number}"
            for test, marks in self.marks.items()
            for number, _ in marks
            if number not in rows
        ]
        if unknown:
            raise pytest.UsageError("\n".join(unknown))
        for item in items:
            item.user_properties.append((PROPERTY, self.marks[item.nodeid]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """One of several processes has found these tests; all find the same."""
        for test in ids:
            self.marks.setdefault(test, [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of set-up, call and clean-up counts."""
        for name, marks in report.user_properties:
            if name == PROPERTY and not self.marks.get(report.nodeid):
                found = cast("list[tuple[str, bool]]", marks)  # as lists, from another process
                self.marks[report.nodeid] = [(row, part) for row, part in found]
        if report.failed or (report.skipped and hasattr(report, "wasxfail")):
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped:
            self.outcomes.setdefault(report.nodeid, "skipped")
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, "passed")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.whole(session.config):
            save(session.config.rootpath.joinpath(*FOUND_IN), self.evidences())

    def whole(self, config: pytest.Config) -> bool:
        """Whether every test of the project was collected, and every one of them ended."""
        if hasattr(config, "workerinput") or config.option.keyword or config.option.markexpr:
            return False
        everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
        return everything and bool(self.marks) and self.marks.keys() <= self.outcomes.keys()

    def evidences(self) -> dict[str, list[Evidence]]:
        found: dict[str, list[Evidence]] = defaultdict(list)
        for test, marks in self.marks.items():
            for number, partial in marks:
                found[number].append(Evidence(test, self.outcomes[test], partial))
        return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "requirement(*rows, partial=False): rows of tests/requirements/rows.md that this test "
        "proves; partial=True: the row is not complete yet",
    )
    config.pluginmanager.register(Collector(), "requirement-rows")
