"""What the daemon tells at its control socket.

In here: its figures, and the grants in force held against what the kernel has.
Not in here: the socket (control), what changes something (changes).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Final

from watchword.errors import OperatorError
from watchword.model.moments import Moment
from watchword.model.openings import Grant, Hole, Tag
from watchword.model.policy import Policy
from watchword.model.services import Service
from watchword.ports import Clock
from watchword.service.daemon.control import Question
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.grant_rows import row
from watchword.service.daemon.numbering import Numbering

PAGE: Final = 500  # grants in one answer: some milliseconds
_BYTES: Final = 1 << 19  # of it, roughly: a packet has room for 3 kB of services
SHARE: Final = 20
"""Between two looks into the kernel lies this many times what the last one took: whoever
asks all the time gets a twentieth of ours."""


class Paced:
    """A costly question, never asked too often; an answer holds while we changed nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._kept: tuple[int, frozenset[Tag]] | None = None

    async def ask(
        self, question: Callable[[], Awaitable[frozenset[Tag]]], state: int
    ) -> frozenset[Tag]:
        """``state``: a number that is another one after each change of ours."""
        async with self._lock:
            wait = self._not_before - self._clock.now().steady
            if wait > 0 and self._kept is not None and self._kept[0] == state:
                return self._kept[1]
            await asyncio.sleep(max(0.0, wait))
            began = self._clock.now().steady
            try:
                found = await question()
            finally:
                ended = self._clock.now().steady
                self._not_before = ended + SHARE * (ended - began)
            self._kept = (state, found)
            return found


class GrantAnswers:
    """Who has got what, page by page."""

    def __init__(
        self,
        enforcer: Enforcer,
        cycles: Cycles,
        policy: Callable[[], Policy],
        clock: Clock,
        stays: Callable[[Grant], float | None] = lambda grant: None,
        *,
        others: Callable[[], Sequence[Grant]] = tuple,
    ) -> None:
        """``policy``: of now, with names of keys; ``stays``: as ``grant_rows.row`` wants it;
        ``others``: what commands of doors have open."""
        self._others = others
        self._stays = stays
        self._policy = policy
        self._enforcer = enforcer
        self._cycles = cycles
        self._clock = clock
        self._paced = Paced(clock)

    async def grants(self, question: Question) -> dict[str, object]:
        """``from``: how many to leave out at the beginning."""
        start = whole_number(question, "from", 0, 1 << 31, default=0)
        enforcer = self._enforcer
        installed = await self._paced.ask(enforcer.held, enforcer.changes)
        now = self._clock.now()
        others = self._others()
        everything = chain(enforcer.ledger.grants(), self._cycles.ledger.grants(), others)
        grants = list(islice(everything, start, start + PAGE))
        unused = await enforcer.unused(grants)
        return {
            "at": now.wall,
            "total": len(enforcer.ledger) + len(self._cycles.ledger) + len(others),
            "not_closed": len(self._cycles.unclosed),
            "grants": self._page(grants, installed, unused, now),
        }

    def _page(
        self,
        grants: Iterable[Grant],
        installed: frozenset[Tag],
        unused: Mapping[Hole, int],
        now: Moment,
    ) -> list[dict[str, object]]:
        numbering, found, size = Numbering(self._policy()), [], 0
        for grant in grants:
            shut = grant.shuts <= now.steady
            told = row(
                grant,
                () if shut else missing_of(self._enforcer, grant, installed),
                now,
                self._stays(grant),
                left=sum(unused.get(hole, 0) for hole in grant.holes) if grant.tickets else None,
                people=self._enforcer.crowd.people(grant.who, now),
            )
            told["stanza"] = numbering.now(grant)
            size += len(json.dumps(told))
            found.append(told)
            if size > _BYTES:
                break
        return found


def missing_of(enforcer: Enforcer, grant: Grant, installed: frozenset[Tag]) -> Sequence[Service]:
    """What the kernel lacks of a grant."""
    found = []
    for hole in grant.holes:
        opening = enforcer.ledger.opening(hole)
        if opening is None or opening.tag not in installed:
            found.append(hole.service or grant.services[0])
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
