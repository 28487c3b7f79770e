"""The matrix as a table, for docs/interoperability.md and for a terminal.

In here: rows, marks and footnotes, from what is expected; the page's place for them.
Not in here: what was found (the tests, and __main__, which prints it as it comes).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tests.matrix.pairs import LIVE, OLD, Difference, Pair, difference, expected
from watchword.conformance.cells import Cell

PAGE = Path(__file__).parents[2] / "docs" / "interoperability.md"
BEGIN = "<!-- the matrix: written by make matrix-page; do not edit -->"
END = "<!-- the end of the matrix -->"
GROUPS = {
    "mode": "encryption mode (`-M`, `ENCRYPTION_MODE`)",
    "digest": "digest inside (`-m`)",
    "hmac": "HMAC (`--hmac-digest-type`, `HMAC_DIGEST_TYPE`)",
    "key": "keys",
    "type": "message type",
    "IPv6": "over IPv6",
    "refusal": "what must be refused",
    "GnuPG": "OpenPGP packets",
    "recorded": "recorded packets of perl 1.9.12",
}


class Footnotes:
    """Numbers for differences, in the order in which they are met."""

    def __init__(self) -> None:
        self._known: list[Difference] = []

    def number(self, found: Difference) -> int:
        if found not in self._known:
            self._known.append(found)
        return self._known.index(found) + 1

    def lines(self) -> Iterator[str]:
        yield from (f"{number}. {each.why}" for number, each in enumerate(self._known, 1))


def mark(cell: Cell, pair: Pair, notes: Footnotes) -> str:
    """What becomes of a cell for a pair, with the number of its footnote."""
    found = difference(cell, pair)
    word = expected(cell, pair).expect.value
    return f"{word} <sup>{notes.number(found)}</sup>" if found else word


def table(pairs: Sequence[Pair], notes: Footnotes) -> Iterator[str]:
    """Markdown; neighbours of one group to whom the same happens share a row."""
    yield "| | | " + " | ".join(str(pair) for pair in pairs) + " |"
    yield "|---" * (2 + len(pairs)) + "|"
    rows = ((cell, tuple(mark(cell, pair, notes) for pair in pairs)) for cell in pairs[0].cells)
    shown = ""
    for (group, marks), same in groupby(rows, key=lambda row: (row[0].group, row[1])):
        names = " · ".join(cell.name for cell, _ in same)
        title = GROUPS[group] if group != shown else ""
        shown = group
        yield f"| {title} | {names} | " + " | ".join(marks) + " |"


def page_part() -> str:
    """Everything between the markers of the page."""
    notes = Footnotes()
    live, old = ["\n".join(table(pairs, notes)) for pairs in (LIVE, OLD)]
    return "\n\n".join((BEGIN, live, old, "\n".join(notes.lines()), END))


def written(page: str) -> str:
    """The page with its part made new. Raises ValueError if it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the matrix")
    return before + page_part() + after
