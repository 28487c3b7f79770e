"""Who waits for an address that somebody else holds.

In here: the order, and every bound on how many wait and for how long.
Not in here: whether an address is free (grant.crowd), granting (entrance).

Whoever waits has proved who he is, and his packet is spent. Each has one place for an address: who
asks again gets in line anew. First come, first served.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from watchword.grant.neighbours import SHOWN
from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason
from watchword.service.daemon.cases import Case

PATIENCE: Final = 60.0  # seconds that somebody waits at the most
PLACES: Final = 16  # for one address
MOST: Final = 1024


class Turn(NamedTuple):
    """One who waits."""

    case: Case
    permit: Permit
    until: float
    """Steady seconds."""

    def given_up(self, why: str) -> Refusal:
        """That of somebody who waits no longer."""
        request = self.permit.request
        said = f"{request.user[:SHOWN]}: {why}"
        return Refusal(Reason.WAITED_TOO_LONG, (request.stanza,), said)


class Turns:
    """The line. No clock: methods are told steady seconds."""

    def __init__(self) -> None:
        self._line: dict[tuple[Address, str], Turn] = {}

    def __len__(self) -> int:
        return len(self._line)

    def take_place(self, case: Case, permit: Permit, steady: float) -> tuple[bool, Turn | None]:
        """Whether there was one, and who had it before: he is to be told that it is over."""
        place = permit.who, permit.identity
        before = self._line.pop(place, None)
        there = sum(who == permit.who for who, _ in self._line)
        if there >= PLACES or len(self._line) >= MOST:
            return False, before
        self._line[place] = Turn(case, permit, steady + PATIENCE)
        return True, before

    def all(self) -> Iterator[Turn]:
        """In the order in which they came."""
        return iter(list(self._line.values()))

    def leave(self, turn: Turn) -> None:
        self._line.pop((turn.permit.who, turn.permit.identity), None)

    def next_deadline(self) -> float | None:
        """Steady seconds at which somebody has waited too long."""
        return min((each.until for each in self._line.values()), default=None)
