"""Reads the table of requirement rows.

In here: the rows of rows.md as values.
Not in here: which tests carry a row's number (tests.plugins.requirements), what
that makes of the row (tests.requirements.states).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROWS = Path(__file__).with_name("rows.md")
CONTEXT = "–"
"""Stands in place of a proof where there is nothing to prove."""

_CELL = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was asked for."""

    number: str
    """Section and place in it, ``9.46``."""
    name: str
    meaning: str
    proof: str
    """What a test has to show; ``CONTEXT`` where there is nothing to show."""
    remarks: str
    section: str
    """The heading above the row, ``9 Seed 004: every client option``."""

    @property
    def is_context(self) -> bool:
        return self.proof == CONTEXT


def read(text: str) -> Iterator[Row]:
    """Every row of every table, in order. ValueError: a row without its five cells, or twice."""
    section = ""
    seen: set[str] = set()
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        cells = [cell.strip().replace(r"\|", "|") for cell in _CELL.split(line)[1:-1]]
        if not cells or not _NUMBER.fullmatch(cells[0]):
            continue
        if len(cells) != 5:
            raise ValueError(f"row {cells[0]} has {len(cells)} cells and needs 5")
        number, name, meaning, proof, remarks = cells
        if number in seen:
            raise ValueError(f"row {number} is there twice")
        seen.add(number)
        yield Row(number, name, meaning, proof, remarks, section)


def known() -> dict[str, Row]:
    """The rows of rows.md by number, in order."""
    return {row.number: row for row in read(ROWS.read_text("utf-8"))}
