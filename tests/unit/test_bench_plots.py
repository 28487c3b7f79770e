"""The pictures say what the table says."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from bench import plots
from bench.figures import Goal, Unit
from bench.run import Results
from bench.servers import Ours, Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row

_SVG = "{http://www.w3.org/2000/svg}"


def never(server: Server, effort: Effort) -> Round:
    raise AssertionError("nothing is measured here")


def table(*lines: tuple[Line, float, float]) -> tuple[list[Row], Results]:
    """Rows of one line each, with our figure and theirs."""
    rows, results = [], Results()
    for line, ours, theirs in lines:
        row = Row(line.key, (line,), Rounds(1, 1), never)
        rows.append(row)
        results.add(row, Ours.name, Round({line.key: ours}))
        results.add(row, Packaged.name, Round({line.key: theirs}))
    return rows, results


def texts(picture: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(picture).iter(f"{_SVG}text")]  # noqa: S314 - ours


def widths(picture: str) -> list[float]:
    bars = list(ET.fromstring(picture).iter(f"{_SVG}rect"))[1:]  # noqa: S314 - ours
    return [float(each.attrib["width"]) for each in bars]


def timed(key: str) -> Line:
    return Line(key, f"the time of <{key}>", Unit.TIME, Goal(times=2))


def shared(key: str) -> Line:
    return Line(key, f"the share of {key}", Unit.SHARE, Goal(bound=0.9), more_is_better=True)


def test_each_figure_that_can_be_compared_has_a_bar_ten_times_better_one_step_longer() -> None:
    rows, results = table((timed("a"), 0.001, 0.01), (timed("b"), 0.001, 1.0))
    picture = plots.ratios(rows, results)
    assert {"10×", "1,000×", "the time of <a>", "the time of <b>"} <= set(texts(picture))
    tenfold, thousandfold = widths(picture)
    assert round(thousandfold / tenfold) == 3


def test_what_is_infinitely_better_or_was_not_measured_has_no_bar() -> None:
    rows, results = table((timed("a"), 0.0, 1.0), (timed("b"), 0.5, 1.0))
    rows.append(Row("c", (timed("c"),), Rounds(1, 1), never))
    assert len(widths(plots.ratios(rows, results))) == 1


def test_a_flood_has_a_bar_for_each_server_and_kind_of_caller() -> None:
    rows, results = table(
        (shared("flood.100.known.share"), 1.0, 0.05), (shared("flood.100.new.share"), 0.25, 0.0)
    )
    picture = plots.floods(rows, results)
    assert "100 stanzas, known callers, watchword" in texts(picture)
    assert "100 stanzas, first-time callers, fwknopd" in texts(picture)
    ours, _, some, none = widths(picture)
    assert round(ours / some) == 4
    assert none <= 1.0


def test_other_lines_are_no_floods() -> None:
    rows, results = table((timed("latency"), 0.1, 0.2))
    assert widths(plots.floods(rows, results)) == []
