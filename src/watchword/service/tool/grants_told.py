"""All grants that a running daemon tells of, page by page.

In here: putting the pages together. Not in here: one question (asking), what is told (answers).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from watchword.service import asking

_MOST: Final = 10_000
"""Grants that are fetched; beyond them ``total`` says how many there are."""
_OVERLAP: Final = 50
"""Grants of one page that the next one has again: as many may end in between."""
_BACK: Final = 500
"""How far to go back where more have ended."""
_QUESTIONS: Final = 1000


def ask_all(path: Path, most: int = _MOST) -> dict[str, Any]:
    """``grants``, ``total`` and the time ``at`` which they were so. Raises as ``asking.ask``.

    Pages are counted from the first grant, so those behind one that ends move up. A page that does
    not begin with somebody who is known already is not next to the one before.
    """
    told: dict[str, Any] = {}
    found: dict[str, Any] = {}
    start = 0
    for _ in range(_QUESTIONS):
        page = asking.ask(path, "grants", **{"from": start})
        told = told or page
        grants, total = page["grants"], page["total"]
        if start and (not grants or grants[0]["grant"] not in found):
            start = max(0, min(start, total) - _BACK)
            continue
        found.update((each["grant"], each) for each in grants)
        start += len(grants)
        if not grants or start >= total or len(found) >= most:
            break
        start -= min(_OVERLAP, len(grants) // 2)
    return {**told, "grants": list(found.values())}
