"""The results as people and programs read them: a table, a document, a JSON file.

In here: text from results; replacing what stands between two markers.
Not in here: how the numbers came about (rows), what is said around them (the document).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

from bench.figures import Summary, ratio_shown, shown, times_better
from bench.run import Results
from bench.servers import Ours, Packaged
from bench.table import Line, Row

BEGIN = "<!-- results: begin, written by the benchmark -->"
END = "<!-- results: end -->"
HEAD = ("what (key)", "watchword", "fwknopd", "better by", "goal", "reached")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table, as text."""

    cells: tuple[str, str, str, str, str, str]
    remarks: tuple[str, ...] = ()
    """Why there is no figure."""


def entries(rows: Sequence[Row], results: Results) -> list[Entry]:
    """The table; rows that were left out on purpose are not in it."""
    return [
        _entry(row, line, rows, results)
        for row in rows
        if row.key not in results.whole
        for line in row.lines
    ]


def _entry(row: Row, line: Line, rows: Sequence[Row], results: Results) -> Entry:
    ours = results.summary(row, line, Ours.name)
    theirs = results.summary(row, line, Packaged.name)
    better = ""
    if isinstance(ours, Summary) and isinstance(theirs, Summary):
        better = ratio_shown(
            times_better(ours.median, theirs.median, more_is_better=line.more_is_better)
        )
    goal = line.goal.text(line.unit, more_is_better=line.more_is_better) if line.goal else ""
    remarks = tuple(
        f"`{line.key}`, {name}: {found}"
        for name, found in ((Ours.name, ours), (Packaged.name, theirs))
        if isinstance(found, str)
    )
    reached = _reached(line, ours, theirs, rows, results)
    cells = (
        f"{line.title} (`{line.key}`)",
        _cell(line, ours),
        _cell(line, theirs),
        better,
        goal,
        reached,
    )
    return Entry(cells, remarks)


def _cell(line: Line, found: Summary | str) -> str:
    """Median, and the least and greatest of several rounds."""
    if isinstance(found, str):
        return "not measured"
    text = shown(found.median, line.unit)
    if found.rounds == 1:
        return text
    return f"{text} ({shown(found.low, line.unit)} to {shown(found.high, line.unit)})"


def _reached(
    line: Line,
    ours: Summary | str,
    theirs: Summary | str,
    rows: Sequence[Row],
    results: Results,
) -> str:
    if line.goal is None:
        return ""
    if isinstance(ours, str):
        return "?"
    met = line.goal.met(
        ours.median,
        theirs.median if isinstance(theirs, Summary) else None,
        _other(line.goal.against, rows, results),
        more_is_better=line.more_is_better,
    )
    return {True: "yes", False: "no", None: "?"}[met]


def _other(key: str, rows: Sequence[Row], results: Results) -> float | None:
    """Our own figure in another line."""
    for row in rows:
        for line in row.lines:
            if line.key == key:
                found = results.summary(row, line, Ours.name)
                return found.median if isinstance(found, Summary) else None
    return None


def as_text(table: Sequence[Entry]) -> str:
    """Aligned columns, for a terminal."""
    cells = [HEAD, *(entry.cells for entry in table)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join((*lines, *_remarks(table)))


def as_markdown(table: Sequence[Entry], machine: Mapping[str, str], command: str) -> str:
    """What stands between the markers."""
    facts = [f"| {name} | {value} |" for name, value in machine.items()]
    body = [f"| {' | '.join(entry.cells)} |" for entry in table]
    return "\n".join(
        (
            f"Made by `{command}`, {machine.get('date', 'at an unknown time')}. "
            "Each figure is the median of the rounds; in brackets the least and the greatest.",
            "",
            f"| {' | '.join(HEAD)} |",
            "| --- | --- | --- | --- | --- | --- |",
            *body,
            "",
            *(f"- {remark}" for remark in _remarks(table)),
            "",
            "| the machine | |",
            "| --- | --- |",
            *facts,
        )
    )


def _remarks(table: Sequence[Entry]) -> Iterator[str]:
    return chain.from_iterable(
        (f"not measured: {remark}" for remark in entry.remarks) for entry in table
    )


def rewritten(document: str, results: str) -> str:
    """The document with new results between its markers, and nothing else changed.

    Raises ValueError: it does not have both markers once, in this order.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError("the document does not have both markers once, in order")
    return f"{before}{BEGIN}\n{results}\n{END}{after}"


def as_json(results: Results, machine: Mapping[str, str], command: str) -> str:
    """Every single round, for whoever wants to look closer."""
    rounds = {
        row: {server: [asdict(each) for each in found] for server, found in by_server.items()}
        for row, by_server in results.rounds.items()
    }
    content = {"command": command, "machine": dict(machine), "rounds": rounds}
    return json.dumps(content | {"not run": results.whole}, indent=1)
