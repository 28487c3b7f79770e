"""All grants that a running daemon tells of, page by page.

In here: putting the pages together. Not in here: one question (asking), what is told (answers).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from watchword.service import asking

_MOST: Final = 10_000
"""Grants that are fetched; beyond them ``total`` says how many there are."""


def ask_all(path: Path, most: int = _MOST) -> dict[str, Any]:
    """``grants``, ``total`` and the time ``at`` which they were so. Raises as ``asking.ask``."""
    told = asking.ask(path, "grants")
    found = {each["grant"]: each for each in told["grants"]}
    start = len(told["grants"])
    while start < min(told["total"], most):
        page = asking.ask(path, "grants", **{"from": start})["grants"]
        if not page:
            break
        start += len(page)
        found.update((each["grant"], each) for each in page)
    return {**told, "grants": list(found.values())}
