"""Servers are measured in turn, failures are said, and the time is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import report
from bench.__main__ import options
from bench.figures import Goal, Summary, Unit
from bench.run import NOT_IN_QUICK, OUT_OF_TIME, Results, measured, run
from bench.servers import Ours, Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError, wait_until

LINE = Line("a.time", "time of a", Unit.TIME, Goal(times=2))
FIGURES = {Ours.name: [0.001, 0.003], Packaged.name: [0.008, 0.004]}


class OursAbsent(Ours):
    """Never started; says when it is stopped."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


class PackagedAbsent(Packaged):
    def __init__(self) -> None:
        pass

    def stop(self) -> None:
        pass


def servers() -> list[Server]:
    return [OursAbsent(), PackagedAbsent()]


def row(rounds: Rounds = Rounds(2, 1), key: str = "a") -> Row:  # noqa: B008 - it is frozen
    left = {name: list(figures) for name, figures in FIGURES.items()}

    def measure(server: Server, effort: Effort) -> Round:
        return Round({"a.time": left[server.name].pop(0)})

    return Row(key, (LINE,), rounds, measure)


def failing(error: Exception) -> Row:
    def measure(server: Server, effort: Effort) -> Round:
        raise error

    return Row("f", (LINE,), Rounds(1, 1), measure)


def go(*rows: Row, quick: bool = False, seconds: float = 10.0) -> tuple[Results, list[str]]:
    said: list[str] = []
    return run(rows, servers(), Effort(quick), seconds=seconds, tell=said.append), said


def test_the_servers_take_turns() -> None:
    _, said = go(row())
    assert [each.rsplit(", ", 1)[1] for each in said] == ["watchword", "fwknopd"] * 2


def test_every_row_is_measured_once_before_any_is_measured_again() -> None:
    _, said = go(row(Rounds(2, 1)), row(Rounds(1, 1), "b"))
    order = [each.rsplit(", ", 1)[0] for each in said[::2]]
    assert order == ["a, round 1 of 2", "b, round 1 of 1", "a, round 2 of 2"]


def test_a_group_is_all_rows_whose_keys_begin_alike() -> None:
    assert [row(key=each).group for each in ("grants.0", "knock-noise", "idle")] == [
        "grants",
        "knock",
        "idle",
    ]
    assert options(["grants", "idle"]).only == ["grants", "idle"]


def test_a_row_that_there_is_not_is_asked_for_in_vain(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        options(["grnats"])
    assert end.value.code == 2
    assert "no row and no group is called 'grnats'" in capsys.readouterr().err


def test_the_rounds_are_summed_up_for_each_server() -> None:
    each = row()
    results, _ = go(each)
    assert results.summary(each, LINE, "watchword") == Summary(0.002, 0.001, 0.003, 2)
    assert results.summary(each, LINE, "fwknopd") == Summary(0.006, 0.004, 0.008, 2)


def test_what_the_quick_run_leaves_out_is_not_in_the_table() -> None:
    each = row(Rounds(2, 0))
    results, said = go(each, quick=True)
    assert said == []
    assert results.summary(each, LINE, "watchword") == NOT_IN_QUICK
    assert report.entries([each], results) == []


def test_nothing_is_begun_after_the_limit() -> None:
    each = row()
    results, said = go(each, seconds=-1.0)
    assert said == []
    assert results.summary(each, LINE, "fwknopd") == OUT_OF_TIME


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotMeasuredError("it never opened"), "it never opened"),
        (FileNotFoundError("fwknopd"), "FileNotFoundError: fwknopd"),
    ],
)
def test_a_failure_is_noted_with_its_reason_and_the_server_is_stopped(
    error: Exception, reason: str
) -> None:
    server = OursAbsent()
    found = measured(failing(error), server, Effort(quick=True))
    assert found.missing == {"a.time": reason}
    assert server.stopped == 1


def test_a_mistake_in_the_benchmark_is_not_taken_for_a_figure() -> None:
    server = OursAbsent()
    with pytest.raises(ZeroDivisionError):
        measured(failing(ZeroDivisionError()), server, Effort(quick=True))
    assert server.stopped == 1


def test_the_table_shows_both_their_ratio_and_whether_the_goal_is_reached() -> None:
    results, _ = go(row())
    [entry] = report.entries([row()], results)
    assert entry.cells == (
        "time of a (`a.time`)", "2 ms (1 ms to 3 ms)", "6 ms (4 ms to 8 ms)", "3×", "2×", "yes",
    )  # fmt: skip
    assert "time of a" in report.as_text([entry])


def test_a_missing_figure_is_shown_with_its_reason() -> None:
    each = failing(NotMeasuredError("no such kernel"))
    results, _ = go(each)
    table = report.entries([each], results)
    assert table[0].cells[1:3] == ("not measured", "not measured")
    assert table[0].cells[5] == "?"
    assert "no such kernel" in report.as_text(table)
    assert "no such kernel" in report.as_markdown(table, {}, "make bench")


def test_rewriting_keeps_everything_around_the_markers() -> None:
    document = f"# Title\n\nbefore\n{report.BEGIN}\nold\n{report.END}\n\nafter é\n"
    new = report.rewritten(document, "new | table")
    assert new == f"# Title\n\nbefore\n{report.BEGIN}\nnew | table\n{report.END}\n\nafter é\n"
    assert report.rewritten(new, "new | table") == new


@pytest.mark.parametrize(
    "document",
    [
        "no markers at all",
        f"{report.BEGIN} only",
        f"only {report.END}",
        f"{report.END} {report.BEGIN}",
        f"{report.BEGIN} {report.BEGIN} {report.END}",
        f"{report.BEGIN} {report.END} {report.END}",
    ],
)
def test_a_document_without_its_markers_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        report.rewritten(document, "results")


def test_the_document_in_the_repository_can_be_rewritten() -> None:
    document = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text("utf-8")
    new = report.rewritten(document, "results")
    assert new.partition(report.BEGIN)[0] == document.partition(report.BEGIN)[0]
    assert new.partition(report.END)[2] == document.partition(report.END)[2]


def test_waiting_ends_at_its_limit_and_says_for_what() -> None:
    assert wait_until(lambda: True, 1.0, "a grant") < 1.0
    with pytest.raises(NotMeasuredError, match="a grant: not within 0 s"):
        wait_until(lambda: False, 0.02, "a grant")


def test_every_line_has_a_key_of_its_own_and_goals_refer_to_lines() -> None:
    from bench.rows import ROWS  # noqa: PLC0415 - the other tests do not need them

    keys = [line.key for each in ROWS for line in each.lines]
    assert len(set(keys)) == len(keys)
    against = {line.goal.against for each in ROWS for line in each.lines if line.goal}
    assert against - {""} <= set(keys)
