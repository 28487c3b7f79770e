"""Who is in the building, and when its people come to work: the same play for each mode.

In here: numbers and times, drawn from a seed. Not in here: packets and connections (owners,
neighbours), what the server is told (modes).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

KNOCK_AGAIN = 3.0
"""Seconds after which somebody who is not in knocks again, as ``watchword connect`` does."""
TRY = 1.0
"""Seconds that a neighbour waits for an answer: a SYN, and no second one."""
PAUSE = 0.2
"""Seconds at most between two tries of one neighbour."""


@dataclass(frozen=True, slots=True)
class Play:
    """How many people, for how long."""

    owners: int = 200
    """People with keys."""
    neighbours: int = 20
    """People without, who try all the time."""
    minutes: float = 5.0
    visits: float = 4.0
    """How often an hour each owner connects, on average."""
    stay: float = 60.0
    """Seconds that a connection lasts, on average."""
    seed: int = 1
    six: bool = False
    """Over IPv6."""
    patience: float = 60.0
    """Seconds within which an owner has to be in, however often he knocks; else he is shut out."""

    @property
    def seconds(self) -> float:
        return self.minutes * 60


@dataclass(frozen=True, slots=True)
class Visit:
    """One owner connects."""

    at: float
    """Seconds from the beginning."""
    owner: int
    stay: float
    """Seconds."""


def visits(play: Play) -> list[Visit]:
    """In order of time. Nobody knocks so late that the end of the play would shut him out."""
    chance = random.Random(play.seed)  # noqa: S311 - a play, not a secret
    found = []
    for owner in range(play.owners):
        at = chance.expovariate(play.visits / 3600)
        while at < play.seconds - play.patience:
            stay = min(chance.expovariate(1 / play.stay), play.seconds - at)
            found.append(Visit(at, owner, stay))
            at += stay + chance.expovariate(play.visits / 3600)
    return sorted(found, key=lambda each: each.at)
