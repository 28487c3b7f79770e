"""What was allowed once, for as long as it was allowed: it may be put back when it is lost.

In here: openings that the hand has made, by hole. Not in here: whether to allow (warrants).

A reload may take a stanza away, and its grants go on to their ends. When somebody flushes the
firewall after that, they are to come back, though no stanza offers them any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from watchword.model.openings import Hole, Opening, Tag

_TIDY: Final = 1024  # openings between two looks for those that are over, at the least


class Approvals:
    """Openings that were approved. No clock: methods are told steady seconds."""

    def __init__(self) -> None:
        self._until: dict[Hole, float] = {}
        self._holes: dict[Tag, Hole] = {}
        self._tidy_at = _TIDY

    def until(self, hole: Hole) -> float:
        """Steady seconds up to which it may be open; 0: it may not."""
        return self._until.get(hole, 0.0)

    def covers(self, opening: Opening) -> bool:
        return opening.until <= self._until.get(opening.hole, 0.0)

    def note(self, added: Iterable[Opening], removed: Iterable[Tag], now: float) -> None:
        """Remember what was put into the firewall, and forget what was taken out."""
        for tag in removed:
            hole = self._holes.pop(tag, None)
            if hole is not None:
                self._until.pop(hole, None)
        for opening in added:
            self._until[opening.hole] = opening.until
            self._holes[opening.tag] = opening.hole
        if len(self._holes) > self._tidy_at:
            self._tidy(now)

    def _tidy(self, now: float) -> None:
        self._until = {hole: until for hole, until in self._until.items() if until > now}
        self._holes = {tag: hole for tag, hole in self._holes.items() if hole in self._until}
        self._tidy_at = max(_TIDY, 2 * len(self._holes))

    def __len__(self) -> int:
        return len(self._until)
