"""What the daemon tells at its control socket.

In here: its figures, and the grants in force held against what the kernel has.
Not in here: the socket (control), what changes something (changes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, islice
from typing import Final

from watchword.errors import OperatorError
from watchword.model.openings import Grant, Tag
from watchword.model.policy import Policy
from watchword.model.services import Service
from watchword.ports import Clock
from watchword.service.control import Question
from watchword.service.cycles import Cycles
from watchword.service.enforcer import Enforcer
from watchword.service.grant_rows import row
from watchword.service.numbering import Numbering

PAGE: Final = 200  # grants in one answer: at the most 3 kB each, a packet has no more room
SHARE: Final = 20
"""Between two looks into the kernel lies this many times what the last one took: whoever
asks all the time gets a twentieth of ours."""


class Paced:
    """A costly question, never asked too often."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._not_before = 0.0

    async def ask(self, question: Callable[[], Awaitable[frozenset[Tag]]]) -> frozenset[Tag]:
        async with self._lock:
            await asyncio.sleep(max(0.0, self._not_before - self._clock.now().steady))
            began = self._clock.now().steady
            try:
                return await question()
            finally:
                ended = self._clock.now().steady
                self._not_before = ended + SHARE * (ended - began)


class GrantAnswers:
    """Who has got what, page by page."""

    def __init__(
        self, enforcer: Enforcer, cycles: Cycles, policy: Callable[[], Policy], clock: Clock
    ) -> None:
        """``policy``: of now, with names of keys."""
        self._policy = policy
        self._enforcer = enforcer
        self._cycles = cycles
        self._clock = clock
        self._paced = Paced(clock)

    async def grants(self, question: Question) -> dict[str, object]:
        """``from``: how many to leave out at the beginning."""
        start = whole_number(question, "from", 0, 1 << 31, default=0)
        enforcer = self._enforcer
        installed = await self._paced.ask(enforcer.held)
        now = self._clock.now()
        everything = chain(enforcer.ledger.grants(), self._cycles.ledger.grants())
        numbering = Numbering(self._policy())
        page = list(islice(everything, start, start + PAGE))
        return {
            "at": now.wall,
            "total": len(enforcer.ledger) + len(self._cycles.ledger),
            "grants": [
                row(each, _missing(enforcer, each, installed), now) | {"stanza": number}
                for each, number in zip(page, map(numbering.now, page), strict=True)
            ],
        }


def _missing(enforcer: Enforcer, grant: Grant, installed: frozenset[Tag]) -> Sequence[Service]:
    """What the kernel lacks of a grant."""
    found = []
    for hole in grant.holes:
        opening = enforcer.ledger.opening(hole)
        if opening is None or opening.tag not in installed:
            found.append(hole.service)
    return found


def whole_number(
    question: Question, name: str, low: int, high: int, default: int | None = None
) -> int:
    """A number of the question's. Raises OperatorError: there is none, or not such a one."""
    value = question.fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise OperatorError(
            f"{name} has to be a whole number from {low} to {high}", hint="see watchword --help"
        )
    return value
