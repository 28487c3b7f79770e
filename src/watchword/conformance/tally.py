"""Findings as a table for people and as values for programs.

In here: order, totals, text. Not in here: judging, terminals (service).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from watchword.conformance.findings import Finding, Verdict

WORDS: Final = {Verdict.PASS: "met", Verdict.FAIL: "failed", Verdict.SKIP: "not judged"}
NAMED_AT_MOST: Final = 3
"""Names on one line where several demands came to the same."""
_COLOURS: Final = {Verdict.PASS: "\033[32m", Verdict.FAIL: "\033[31m", Verdict.SKIP: "\033[33m"}
_PLAIN: Final = "\033[0m"


def lines(findings: Iterable[Finding], *, colour: bool = False, each: bool = False) -> list[str]:
    """The table, group by group, and the totals at its end.

    Args:
        findings: In any order.
        colour: Whether verdicts are coloured, for a terminal.
        each: Whether what was met has a line as well.
    """
    ordered = sorted(findings, key=lambda one: (one.group, one.name))
    told: list[str] = []
    for group, members in groupby(ordered, lambda one: one.group):
        told += _group(group, list(members), colour, each)
    return [*told, "", _total(ordered)]


def _group(group: str, members: Sequence[Finding], colour: bool, each: bool) -> Iterator[str]:
    yield f"{group}: {_counted(members)}"
    for verdict in (Verdict.FAIL, Verdict.SKIP, *([Verdict.PASS] if each else [])):
        alike: dict[str, list[str]] = {}
        for one in members:
            if one.verdict is verdict:
                alike.setdefault(one.detail, []).append(one.name)
        for detail, names in alike.items():
            yield f"  {_shown(verdict, colour)}  {_listed(names, each)}" + (
                f": {detail}" if detail else ""
            )


def _shown(verdict: Verdict, colour: bool) -> str:
    word = f"{WORDS[verdict]:<10}"
    return f"{_COLOURS[verdict]}{word}{_PLAIN}" if colour else word


def _listed(names: Sequence[str], each: bool) -> str:
    if each or len(names) <= NAMED_AT_MOST + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED_AT_MOST])} and {len(names) - NAMED_AT_MOST} more"


def _counted(findings: Iterable[Finding]) -> str:
    counts = Counter(one.verdict for one in findings)
    return ", ".join(f"{counts[verdict]} {WORDS[verdict]}" for verdict in WORDS if counts[verdict])


def _total(findings: Sequence[Finding]) -> str:
    return f"{len(findings)} demands: {_counted(findings)}" if findings else "nothing was judged"


def as_values(findings: Iterable[Finding]) -> dict[str, object]:
    """The same for programs: totals by verdict, and every finding."""
    ordered = sorted(findings, key=lambda one: (one.group, one.name))
    counts = Counter(one.verdict for one in ordered)
    return {
        "totals": {verdict.value: counts[verdict] for verdict in Verdict},
        "findings": [
            {
                "group": one.group,
                "name": one.name,
                "verdict": one.verdict.value,
                "detail": one.detail,
            }
            for one in ordered
        ],
    }
