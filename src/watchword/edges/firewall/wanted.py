"""Which openings of a change are to be put in.

In here: the one choice that backends make alike. Not in here: backends.
"""

from __future__ import annotations

from collections.abc import Iterable

from watchword.model.openings import Hole, Opening


def wanted(openings: Iterable[Opening], now: float) -> dict[Hole, Opening]:
    """What is not over at these steady seconds; of two for one hole the longer."""
    found: dict[Hole, Opening] = {}
    for opening in openings:
        other = found.get(opening.hole)
        if opening.until > now and (other is None or other.until < opening.until):
            found[opening.hole] = opening
    return found
