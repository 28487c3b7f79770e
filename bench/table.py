"""What a row of the benchmark is.

In here: lines, rows, what one round of a row found.
Not in here: the rows themselves (rows), running them (run).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figures import Goal, Unit
from bench.servers import Server


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the printed table."""

    key: str
    title: str
    unit: Unit
    goal: Goal | None = None
    more_is_better: bool = False


@dataclass(slots=True)
class Round:
    """What one server showed once: a figure for each line, or why there is none."""

    figures: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    raw: dict[str, object] = field(default_factory=dict)
    """Single values and circumstances, for the JSON file only."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often a row is measured for each server; 0: not in this kind of run."""

    full: int
    quick: int


@dataclass(frozen=True, slots=True)
class Effort:
    """A full run or a quick one."""

    quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


Measure = Callable[[Server, Effort], Round]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, of one or several lines."""

    key: str
    lines: tuple[Line, ...]
    rounds: Rounds
    measure: Measure
    """Begins with ``server.clear()`` and ``start``; the runner stops the server.

    Raises NotMeasuredError: there is no figure for any line, and why.
    """

    @property
    def group(self) -> str:
        """Of the rows that belong together: what their keys begin with."""
        return re.split(r"[.-]", self.key)[0]
