"""What was allowed once, for as long as it was allowed: it may be put back when it is lost.

In here: openings that the hand has made, by hole. Not in here: whether to allow (warrants).

A reload may take a stanza away, and its grants go on to their ends. When somebody flushes the
firewall after that, they are to come back, though no stanza offers them any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from watchword.model.openings import Hole, Opening, Tag

MOST: Final = 1 << 18
"""Openings that are remembered by name, as many as a set of nftables has room for. One hole has as
many as it was given ends, as long as it is open: none of its names may become free before that."""
_PAUSE: Final = 1.0  # seconds between two looks for those that are over, when there is no room
_TIDY: Final = 1024  # openings between two looks for those that are over, at the least
_LEFT: Final = 1 << 18  # holes that are remembered after they were shut


class Approvals:
    """Openings that were approved. No clock: methods are told steady seconds."""

    def __init__(self) -> None:
        self._until: dict[Hole, float] = {}
        self._openings: dict[Tag, Opening] = {}
        self._left: dict[Hole, None] = {}
        """What was open, the last last: connections through it may go on."""
        self._tidy_at = _TIDY
        self._tidied = -_PAUSE

    def has_room(self, openings: Iterable[Opening], now: float) -> bool:
        """Whether these can be remembered, too; otherwise they are not to be made."""
        more = sum(each.tag not in self._openings for each in openings)
        if len(self._openings) + more > MOST and now >= self._tidied + _PAUSE:
            self._tidy(now)
        return len(self._openings) + more <= MOST

    def until(self, hole: Hole) -> float:
        """Steady seconds up to which it may be open; 0: it may not."""
        return self._until.get(hole, 0.0)

    def covers(self, opening: Opening) -> bool:
        return opening.until <= self._until.get(opening.hole, 0.0)

    def note(self, added: Iterable[Opening], removed: Iterable[Tag], now: float) -> None:
        """Remember what was put into the firewall, and forget what was taken out."""
        for tag in removed:
            opening = self._openings.pop(tag, None)
            if opening is not None and self._until.pop(opening.hole, None) is not None:
                self._leave(opening.hole)
        for opening in added:
            self._until[opening.hole] = opening.until
            self._openings[opening.tag] = opening
        if len(self._openings) > self._tidy_at:
            self._tidy(now)

    def recognise(
        self, openings: Collection[Opening], installed: Collection[Tag], now: float
    ) -> None:
        """Approve of what the firewall has under our own names: we put it there in an earlier run.

        A name stands for one opening. It is short enough to be had for two by who tries long.
        """
        named: dict[Tag, set[Opening]] = {}
        for each in openings:
            if each.tag in installed:
                named.setdefault(each.tag, set()).add(each)
        alone = [each for found in named.values() if len(found) == 1 for each in found]
        self.note([each for each in alone if each.tag not in self._openings], (), now)

    def knows(self, hole: Hole) -> bool:
        """Whether it is open, or was: somebody may be connected through it."""
        return hole in self._until or hole in self._left

    def _leave(self, hole: Hole) -> None:
        self._left.pop(hole, None)
        self._left[hole] = None
        if len(self._left) > _LEFT:
            del self._left[next(iter(self._left))]

    def _tidy(self, now: float) -> None:
        for hole in [hole for hole, until in self._until.items() if until <= now]:
            del self._until[hole]
            self._leave(hole)
        kept = {tag: each for tag, each in self._openings.items() if each.hole in self._until}
        self._openings = kept
        self._tidy_at = max(_TIDY, 2 * len(kept))
        self._tidied = now

    def __len__(self) -> int:
        return len(self._until)
