"""Runs the rows: ours and the packaged server in turn, so that drift falls on both alike.

Every row is measured once before any is measured again: where the time is short, each figure is
of fewer rounds, and none is missing.

In here: the order of measurements, the limit on the whole, what becomes of failures.
Not in here: single measurements (rows), printing (report).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.figures import Summary
from bench.servers import Server
from bench.table import Effort, Line, Round, Row
from bench.waiting import NotMeasuredError

NOT_IN_QUICK = "not in the quick run"
OUT_OF_TIME = "out of time"


@dataclass(slots=True)
class Results:
    """Every round of every row, by row and server, in the order in which they were run."""

    rounds: dict[str, dict[str, list[Round]]] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    """Rows that were not run at all, and why."""

    def add(self, row: Row, server: str, found: Round) -> None:
        self.rounds.setdefault(row.key, {}).setdefault(server, []).append(found)

    def summary(self, row: Row, line: Line, server: str) -> Summary | str:
        """Over all rounds in which there was a figure, or why there is none."""
        rounds = self.rounds.get(row.key, {}).get(server, [])
        values = [each.figures[line.key] for each in rounds if line.key in each.figures]
        if values:
            return Summary.of(values)
        reasons = [each.missing[line.key] for each in rounds if line.key in each.missing]
        return reasons[0] if reasons else self.whole.get(row.key, OUT_OF_TIME)


def run(
    rows: Sequence[Row],
    servers: Sequence[Server],
    effort: Effort,
    *,
    seconds: float,
    tell: Callable[[str], None],
) -> Results:
    """Measure everything; what is not begun after ``seconds`` is left out.

    A measurement that fails is noted with its reason; it never ends the run.
    """
    results = Results()
    until = time.monotonic() + seconds
    for row, number, rounds in _in_turn(rows, effort, results):
        for server in servers:
            if time.monotonic() > until:
                return results
            tell(f"{row.key}, round {number} of {rounds}, {server.name}")
            results.add(row, server.name, measured(row, server, effort))
    return results


def _in_turn(
    rows: Sequence[Row], effort: Effort, results: Results
) -> Iterator[tuple[Row, int, int]]:
    """Each row with the number of a round and how many it has: first rounds first."""
    wanted = [(row, effort.of(row.rounds.full, row.rounds.quick)) for row in rows]
    for row, rounds in wanted:
        if not rounds:
            results.whole[row.key] = NOT_IN_QUICK
    for number in range(1, max((rounds for _, rounds in wanted), default=0) + 1):
        yield from ((row, number, rounds) for row, rounds in wanted if number <= rounds)


def measured(row: Row, server: Server, effort: Effort) -> Round:
    """One round of one row; the server is gone afterwards, whatever happens."""
    began = time.monotonic()
    try:
        found = row.measure(server, effort)
    except NotMeasuredError as error:
        found = _nothing(row, str(error))
    except (OSError, subprocess.SubprocessError) as error:
        found = _nothing(row, f"{type(error).__name__}: {error}")
    finally:
        server.stop()
    found.raw["took"] = time.monotonic() - began
    return found


def _nothing(row: Row, reason: str) -> Round:
    return Round(missing=dict.fromkeys((line.key for line in row.lines), reason))
