"""Numbers: what is said of several of them, and how one is printed.

In here: medians, quantiles, ratios, goals, units. Pure.
Not in here: where numbers come from (rows), where they are written (report).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """What a number counts; times are in seconds, sizes in bytes, shares from 0 to 1."""

    TIME = "time"
    RATE = "rate"
    SHARE = "share"
    SIZE = "size"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of one server over all rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Raises ValueError if there are no values."""
        if not values:
            raise ValueError("there is nothing to summarise")
        return cls(statistics.median(values), min(values), max(values), len(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of all lie at or below, between neighbours linearly.

    Raises ValueError if there are no values.
    """
    if not values:
        raise ValueError("there is nothing to rank")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def times_better(ours: float, theirs: float, *, more_is_better: bool) -> float:
    """How many times better ours is; below 1: worse. Infinite where the loser has nothing."""
    better, worse = (ours, theirs) if more_is_better else (theirs, ours)
    if worse == 0:
        return 1.0 if better == 0 else math.inf
    return better / worse


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached; where both are given, both."""

    times: float | None = None
    """How many times better than the packaged server."""
    bound: float | None = None
    """Ours is at least this where more is better, else at most."""
    against: str = ""
    """Key of another line that ours is held against; empty: none."""
    share: float = 1.0
    """How much of that line's figure ours is at least, or at most."""

    def met(
        self, ours: float, theirs: float | None, other: float | None, *, more_is_better: bool
    ) -> bool | None:
        """Whether ours is good enough; None: there is nothing to compare with.

        ``theirs`` is the packaged server's figure, ``other`` our own in the line ``against``.
        """
        answers: list[bool | None] = []
        if self.times is not None:
            enough = theirs is not None and (
                times_better(ours, theirs, more_is_better=more_is_better) >= self.times
            )
            answers.append(None if theirs is None else enough)
        for limit, wanted in (
            (self.bound, self.bound is not None),
            (None if other is None else other * self.share, bool(self.against)),
        ):
            if wanted and limit is not None:
                answers.append(ours >= limit if more_is_better else ours <= limit)
            elif wanted:
                answers.append(None)
        if False in answers:
            return False
        return None if None in answers or not answers else True

    def text(self, unit: Unit, *, more_is_better: bool) -> str:
        """As it stands in the table: ``8×``, ``≤ 5 ms``, ``≥ 80 % of none live``."""
        sign = "≥" if more_is_better else "≤"
        parts = []
        if self.times is not None:
            parts.append(ratio_shown(self.times))
        if self.bound is not None:
            parts.append(f"{sign} {shown(self.bound, unit)}")
        if self.against:
            parts.append(f"{sign} {shown(self.share, Unit.SHARE)} of `{self.against}`")
        return ", ".join(parts)


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES = ((1024.0**3, "GiB"), (1024.0**2, "MiB"), (1024.0, "KiB"))


def shown(value: float, unit: Unit) -> str:
    """A number as people read it: three significant digits and a unit that fits its size."""
    match unit:
        case Unit.TIME:
            return _scaled(value, _TIMES)
        case Unit.SIZE:
            return _scaled(value, _SIZES) if abs(value) >= 1024 else f"{value:.0f} B"
        case Unit.SHARE:
            return f"{_three(value * 100)} %"
        case Unit.RATE:
            return f"{_three(value)} /s"
        case Unit.COUNT:
            return _three(value)


def _scaled(value: float, scales: Sequence[tuple[float, str]]) -> str:
    for factor, name in scales:
        if abs(value) >= factor:
            return f"{_three(value / factor)} {name}"
    factor, name = scales[-1]
    return f"{_three(value / factor)} {name}"


def _three(value: float) -> str:
    """Three significant digits, never with an exponent; whole numbers keep all of theirs."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ratio_shown(times: float) -> str:
    """``12.3×``; ``∞`` where the other has nothing at all."""
    return "∞" if math.isinf(times) else f"{_three(times)}×"
