"""Alerts that one overheard packet is enough for: told once, counted after that, summed up.

In here: which of them is told by itself, and the sums.
Not in here: sending (alerts), what the log tells of a flood (restraint).

Whoever sends an overheard packet again every minute would have a mail sent every
minute, from as many addresses as he likes to write. So of one kind an hour has
one mail for each source, five for all sources together, and a sum at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from watchword.model.outcomes import Event, Judged
from watchword.model.reasons import Reason
from watchword.record import record
from watchword.service.daemon.restraint import is_overheard

HOUR: Final = 3600.0
ONE_BY_ONE: Final = 5  # sources of a kind in an hour that are told by themselves
_SOURCES: Final = 1000  # that are told apart; there may be more


@record
class Sum:
    """What was not told by itself in an hour, of one kind."""

    reason: Reason
    count: int
    sources: int
    last: str
    """The latest source."""

    def __str__(self) -> str:
        some = "address" if self.sources == 1 else "addresses"
        return (
            f"{self.count} more packets refused ({self.reason.word}) in the last hour, from "
            f"{self.sources} {some}, the last one {self.last}; the log has them"
        )


@dataclass(slots=True)
class _Hour:
    began: float
    told: int = 0
    untold: int = 0
    sources: set[str] = field(default_factory=set)
    last: str = ""


class Repetition:
    """Times are steady-clock seconds."""

    def __init__(self) -> None:
        self._hours: dict[Reason, _Hour] = {}

    def tells(self, event: Event, now: float) -> bool:
        """Whether an alert is told by itself. Others are counted for the sum of their hour."""
        if not isinstance(event, Judged) or event.refusal is None or not is_overheard(event):
            return True
        refusal = event.refusal
        hour = self._hours.setdefault(refusal.reason, _Hour(now))
        source = event.packet.peer
        fresh = source not in hour.sources
        if len(hour.sources) < _SOURCES:
            hour.sources.add(source)
        if fresh and hour.told < ONE_BY_ONE:
            hour.told += 1
            return True
        hour.untold += 1
        hour.last = source
        return False

    def next_deadline(self) -> float | None:
        """When the next hour is over."""
        return min((each.began + HOUR for each in self._hours.values()), default=None)

    def expire(self, now: float) -> Iterator[Sum]:
        """The sums of the hours that are over, where there is something to sum up."""
        for reason, hour in list(self._hours.items()):
            if now < hour.began + HOUR:
                continue
            del self._hours[reason]
            if hour.untold:
                yield Sum(reason, hour.untold, len(hour.sources), hour.last)
