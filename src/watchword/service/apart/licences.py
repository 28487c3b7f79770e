"""Root's word that one grant may last longer than its stanza says.

In here: how long it holds, and for whose grant. Not in here: who is root (relay), asking
(counter, owing).

Root names a grant. The gate says with whatever it has opened for which grant that is, and what it
said first counts: a gate that is taken over later cannot have the word for one person's grant hold
for another's. Of grants of an earlier run nothing was said; there the word is for whomever it is
first used for. So it is of more grants than can be remembered: a gate that makes up names neither
fills the memory nor pushes out what was said before. What belongs to the same grant may be moved
to the same end, and that is all.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from watchword.grant.warrants import SLACK
from watchword.ports import Clock

CLOSINGS: Final = "what closes"
"""Stands for whomever closing commands are for that an earlier run has left."""
MOST: Final = 65_536
"""Grants that are known at once; some tens of megabytes, with the longest names."""
_TIDY: Final = 1024  # grants between two looks for those that are over, at the least
_PAUSE: Final = 1.0  # seconds between two such looks when there is no room


@dataclass(slots=True)
class _Licence:
    grant: str
    holds: float
    """Until when, steady seconds."""
    seconds: float
    bound: Hashable = None
    """For whom, and to which end; None: it has not been used yet."""


class Licences:
    """What root has said a moment ago, and whose the grants are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given: list[_Licence] = []
        self._whose: dict[str, tuple[Hashable, float]] = {}
        self._tidy_at = _TIDY
        self._tidied = clock.now().steady

    def know(self, grant: str, whose: Hashable, until: float) -> None:
        """Something is open for a grant of theirs, until these steady seconds. The first counts."""
        if grant not in self._whose and not self._has_room():
            return
        known, end = self._whose.setdefault(grant, (whose, until))
        if known == whose and end < until:
            self._whose[grant] = whose, until

    def _has_room(self) -> bool:
        now, full = self._clock.now().steady, len(self._whose) >= MOST
        if len(self._whose) >= self._tidy_at and not (full and now < self._tidied + _PAUSE):
            self._whose = {name: each for name, each in self._whose.items() if each[1] > now}
            self._tidy_at = min(MOST, max(_TIDY, 2 * len(self._whose)))
            self._tidied = now
        return len(self._whose) < MOST

    def give(self, grant: str, seconds: float, patience: float) -> None:
        """A grant may last so much longer, if that is asked for within ``patience`` seconds."""
        self._given.append(_Licence(grant, self._clock.now().steady + patience, seconds))

    def covers(self, grant: str, whose: Hashable, before: float, until: float) -> bool:
        """Whether something of a grant of theirs, which would have ended at ``before``, may end at
        ``until``, both steady seconds. A licence that says so is for them from now on."""
        now = self._clock.now().steady
        self._given = [each for each in self._given if each.holds > now]
        known, _ = self._whose.get(grant, (whose, 0.0))
        if before <= now or known != whose:
            return False
        wanted = (whose, round(until, 3))
        fit = [
            each
            for each in self._given
            if each.grant == grant and until - before <= each.seconds + SLACK
        ]
        for each in sorted(fit, key=lambda one: one.bound is None):
            if each.bound in (None, wanted):
                each.bound = wanted
                return True
        return False
