"""Prints the rows with their state after the last whole run, and writes docs/requirements.md.

``make requirements`` is this. Exit status: 0 printed, 1 there was no whole run yet.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.requirements.rows import Row, known
from tests.requirements.states import Evidence, Evidences, State, load, state

ROOT = Path(__file__).parents[2]
EVIDENCE = ROOT / ".cache" / "requirements.json"
PAGE = ROOT / "docs" / "requirements.md"
HEAD = """\
# What was asked for, and what is proven

Written by `make requirements` from the last whole test run; do not edit.
What each row has to show stands in
[tests/requirements/rows.md](../tests/requirements/rows.md).

- *proven*: every test that carries the row's number passed.
- *partly*: some passed; others did not or did not run, or one of them says
  that it shows a part only.
- *not yet*: no test that carries the number passed.
- *context*: there is nothing to prove.
"""


def tally(states: Counter[State]) -> str:
    """``3 of 17 proven, 2 partly``; context does not count."""
    total = sum(states.values()) - states[State.CONTEXT]
    partly = f", {states[State.PARTLY]} partly" if states[State.PARTLY] else ""
    return f"{states[State.PROVEN]} of {total} proven{partly}"


def lines(rows: list[Row], evidences: Evidences) -> Iterator[str]:
    """What is printed: a heading and its rows for each section, then the sum."""
    everything: Counter[State] = Counter()
    for section, members in groupby(rows, key=lambda row: row.section):
        found = {row: state(row, evidences.get(row.number, ())) for row in members}
        everything.update(found.values())
        yield f"{section}: {tally(Counter(found.values()))}"
        for row, what in found.items():
            yield f"  {row.number:>5}  {what:<7}  {row.name}"
        yield ""
    yield f"Overall: {tally(everything)}"


def tests_of(evidence: tuple[Evidence, ...] | list[Evidence]) -> str:
    """The tests' names without parameters, each once, for a table."""
    names = dict.fromkeys(each.test.partition("[")[0] for each in evidence)
    return "<br>".join(f"`{name}`" for name in names)


def page(rows: list[Row], evidences: Evidences) -> str:
    """docs/requirements.md."""
    overall = Counter(state(row, evidences.get(row.number, ())) for row in rows)
    text = [HEAD, f"Overall: {tally(overall)}."]
    for section, members in groupby(rows, key=lambda row: row.section):
        text += ["", f"## {section}", "", "| row | name | state | tests |", "|---|---|---|---|"]
        for row in members:
            evidence = list(evidences.get(row.number, ()))
            name = row.name.replace("|", r"\|")
            what = state(row, evidence)
            text.append(f"| {row.number} | {name} | {what} | {tests_of(evidence)} |")
    return "\n".join(text) + "\n"


def main() -> int:
    rows = list(known().values())
    try:
        evidences = load(EVIDENCE)
    except FileNotFoundError:
        print("requirements: no whole test run yet; run make test first", file=sys.stderr)
        return 1
    print("\n".join(lines(rows, evidences)))
    PAGE.write_text(page(rows, evidences), "utf-8")
    print(f"written to {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
