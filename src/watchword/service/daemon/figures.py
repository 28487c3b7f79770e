"""What the daemon counts about itself.

In here: counters, the time that steps take, and one snapshot of it all.
Not in here: who asks (control), how it is shown (status).

Everything is a number that only grows, or one that is true now; nothing names
a caller, so it may be shown to whoever may read the log.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Step:
    """How long one step of the way took."""

    count: int = 0
    seconds: float = 0.0
    """All together."""
    slowest: float = 0.0


@dataclass(slots=True)
class Figures:
    """Counters since the start."""

    began: float
    """Unix seconds."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Packets that got past the envelope: ``granted``, or the reason of the refusal."""
    claims: int = 0
    """Packets that were put to the replay store."""
    overflowed: int = 0
    """Authentic packets that were dropped because too many were waiting."""
    steps: dict[str, Step] = field(default_factory=dict)
    reloads: Counter[str] = field(default_factory=Counter)
    """``taken`` or ``refused``."""
    last_reload: str = ""
    """The outcome of the last; empty: there was none."""
    configured: float = 0.0
    """Unix seconds at which the configuration in force was taken over."""

    def __post_init__(self) -> None:
        self.configured = self.began

    def reloaded(self, outcome: str, at: float) -> None:
        """Note what came of a reload, at these Unix seconds."""
        self.reloads[outcome] += 1
        self.last_reload = outcome
        if outcome == "taken":
            self.configured = at

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Take the time of a step, whatever comes of it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            step = self.steps.setdefault(name, Step())
            step.count += 1
            step.seconds += took
            step.slowest = max(step.slowest, took)
