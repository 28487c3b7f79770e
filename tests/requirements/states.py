"""Says how far a row is proven, from the outcomes of the tests that carry its number.

In here: what one run found out (``Evidence``), kept as JSON, and what follows
from it for each row (``State``).
Not in here: collecting it (tests.plugins.requirements), printing it
(tests.requirements.__main__).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from tests.requirements.rows import Row


class State(StrEnum):
    PROVEN = "proven"  # every test that carries the number passed
    PARTLY = "partly"  # some passed; others did not or did not run, or one shows a part only
    NOT_YET = "not yet"  # no test that carries the number passed
    CONTEXT = "context"  # there is nothing to prove


@dataclass(frozen=True, slots=True)
class Evidence:
    """One test that carries a row's number, and what became of it."""

    test: str
    """The test's node id."""
    outcome: str
    """``passed``, ``failed`` or ``skipped``."""
    partial: bool = False
    """True: the mark says that this test shows only a part of the row."""


Evidences: TypeAlias = Mapping[str, Sequence[Evidence]]
"""By row number."""


def state(row: Row, evidence: Sequence[Evidence]) -> State:
    """What the evidence makes of the row."""
    if row.is_context:
        return State.CONTEXT
    if not any(each.outcome == "passed" for each in evidence):
        return State.NOT_YET
    all_passed = all(each.outcome == "passed" for each in evidence)
    if all_passed and not all(each.partial for each in evidence):
        return State.PROVEN
    return State.PARTLY


def save(path: Path, evidences: Evidences) -> None:
    """Write what a whole run found out, in place of what an earlier one did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {number: [asdict(each) for each in found] for number, found in evidences.items()}
    path.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", "utf-8")


def load(path: Path) -> dict[str, list[Evidence]]:
    """What the last whole run found out. FileNotFoundError: there was none."""
    rows = json.loads(path.read_text("utf-8"))
    return {number: [Evidence(**each) for each in found] for number, found in rows.items()}
