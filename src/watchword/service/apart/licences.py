"""Root's word that one grant may last longer than its stanza says.

In here: how long it holds, and for what. Not in here: who is root (hand_process), asking (counter,
workshop).

The hand does not know grants by the names that root gives. So the first end that is moved by such
a word is what it is for: what belongs to the same grant may be moved to the same end, and that is
all it is good for.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from watchword.grant.warrants import SLACK
from watchword.ports import Clock

CLOSINGS: Final = "what closes"
"""What stands for the grant, of closing commands: they do not say for whom they are."""


@dataclass(slots=True)
class _Licence:
    holds: float
    """Until when, steady seconds."""
    seconds: float
    bound: Hashable = None
    """For which grant, and to which end; None: it has not been used yet."""


class Licences:
    """What root has said a moment ago."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given: list[_Licence] = []

    def give(self, seconds: float, patience: float) -> None:
        """One grant may last so much longer, if that is asked for within ``patience`` seconds."""
        self._given.append(_Licence(self._clock.now().steady + patience, seconds))

    def covers(self, grant: Hashable, before: float, until: float) -> bool:
        """Whether something of that grant, which would have ended at ``before``, may end at
        ``until``, both steady seconds. A licence that says so is for that grant from now on."""
        now = self._clock.now().steady
        self._given = [each for each in self._given if each.holds > now]
        if before <= now:
            return False
        wanted = (grant, round(until, 3))
        fit = [each for each in self._given if until - before <= each.seconds + SLACK]
        for each in sorted(fit, key=lambda one: one.bound is None):
            if each.bound in (None, wanted):
                each.bound = wanted
                return True
        return False
