"""Lets grants stay for as long as somebody is connected through them, where the stanza says so.

In here: when to look, and how much later a grant ends that is in use.
Not in here: who is connected (a ConnectionTable), moving an end (enforcer).

An established connection outlives its grant in any case; this is for who has to come back:
whose connection breaks, or who opens a second one, while the first is there. The end is moved
bit by bit, a little at a time, so that a daemon that dies leaves nothing open for long; and
never beyond what the stanza allows since the last packet. A grant that nobody uses, or that the
policy of now would not give, ends when it was to end.

Looking costs nothing while no stanza says so, and is done for all together.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
from collections.abc import Iterator
from typing import Final

from watchword.errors import HostError
from watchword.grant import warrants
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.openings import Grant, Opening
from watchword.model.orders import Wanted
from watchword.model.outcomes import GrantStays
from watchword.model.policy import Policy
from watchword.ports import Clock, ConnectionTable, Reporter
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.numbering import Numbering

LEADS: Final = (5.0, 0.5)
"""Seconds before an end at which it is looked whether somebody is connected: the second time for
who came in between."""
STEP: Final = 30.0
"""Seconds by which an end is moved, if the grant was for no less than that: so long it lasts
when its user has gone."""
PAUSE: Final = 0.2  # seconds between two looks, so that they are done for many together
TIDY: Final = 1.0  # seconds after its end at which a grant is forgotten here
_IDLE: Final = 1000  # looks that do not count any more, and are kept at the least
TROUBLE: Final = 600.0  # seconds for which trouble with looking is told once


class Staying:
    """What stays, across reloads."""

    def __init__(
        self,
        enforcer: Enforcer,
        connections: ConnectionTable,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._enforcer = enforcer
        self._connections = connections
        self._reporter = reporter
        self._clock = clock
        self._keeps: dict[int, int] = {}
        """Seconds by the numbers of the stanzas that let grants stay."""
        self._leases: dict[int, int] = {}
        """The same of those whose grants hold their addresses."""
        self._policy = Policy(())
        self._numbering = Numbering(self._policy)
        self._asked: dict[str, tuple[Moment, float]] = {}
        """When the last packet asked for it, and the step, of each that is looked after."""
        self._looks: list[tuple[float, str]] = []
        self._next: dict[str, float] = {}
        """Which entry of ``_looks`` counts."""
        self._told: set[str] = set()
        self._stirred = asyncio.Event()
        self._trouble_told = float("-inf")
        enforcer.granted = self.asked

    def follow(self, policy: Policy) -> None:
        """Go by this policy, with names of keys, and look after what is in force already."""
        self._keeps = {
            each.number: each.keep_seconds
            for each in policy.stanzas
            if each.keep_seconds is not None
        }
        self._leases = {
            each.number: each.sharing.lease_seconds
            for each in policy.stanzas
            if each.sharing.lease is not None
        }
        self._policy = policy
        self._numbering = Numbering(policy)
        if not self._keeps:
            return
        now = self._clock.now()
        for grant in self._enforcer.ledger.grants():
            if grant.id not in self._asked and self._seconds(grant) is not None:
                since = max(0.0, now.wall - grant.began)
                then = Moment(grant.began, now.steady - since)
                self._asked[grant.id] = then, min(STEP, grant.ends - grant.began)
                self._await(grant, now)

    def asked(self, grant: Grant) -> None:
        """Look after a grant that a packet got, or renewed, just now."""
        now = self._clock.now()
        if self._seconds(grant) is not None:
            self._asked[grant.id] = now, min(STEP, grant.until - now.steady)
            self._await(grant, now)

    def latest(self, grant: Grant) -> float | None:
        """Unix seconds until which it may stay, if somebody is connected; None: it does not."""
        seconds, asked = self._seconds(grant), self._asked.get(grant.id)
        if seconds is None or asked is None:
            return None
        lease = self._end_of_lease(grant) - asked[0].steady
        return max(grant.ends, asked[0].wall + min(seconds, lease))

    async def stay_forever(self) -> None:
        """Look at the right times, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._stirred.wait()
            self._stirred.clear()
            if self._looks and self._looks[0][0] <= self._clock.now().steady:
                await self.look()
                await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """Move the ends of those that are due and in use."""
        due = list(self._due(self._clock.now()))
        holes = {hole for grant in due for hole in grant.holes}
        if not holes:
            return
        try:
            used = await asyncio.to_thread(self._connections.through, holes)
            ends = {each.id: self._end(each) for each in due if not used.isdisjoint(each.holes)}
            longer = await self._enforcer.prolong(ends)
        except (HostError, RuntimeError) as error:  # RuntimeError: there is no thread to be had
            self._trouble(error)
            longer = ()
        now = self._clock.now()
        for grant in longer:
            self._tell(grant)
        for grant in due:
            found = self._enforcer.ledger.grant(grant.id)
            if found is not None:
                self._await(found, now)

    def _due(self, now: Moment) -> Iterator[Grant]:
        """Those whose end is near, and may be moved; what is over is forgotten."""
        while self._looks and self._looks[0][0] <= now.steady:
            at, name = heapq.heappop(self._looks)
            if self._next.get(name) != at:
                continue
            grant = self._enforcer.ledger.grant(name)
            if grant is None or self._seconds(grant) is None:
                self._forget(name)
            elif at < grant.until - LEADS[0] or not self._may_stay(grant, now):
                self._await(grant, now)
            else:
                yield grant

    def _await(self, grant: Grant, now: Moment) -> None:
        looks = [grant.until - lead for lead in LEADS if grant.until - lead > now.steady]
        at = looks[0] if looks else max(grant.until, now.steady) + TIDY
        self._next[grant.id] = at
        heapq.heappush(self._looks, (at, grant.id))
        if len(self._looks) > 2 * len(self._next) + _IDLE:  # somebody renews all the time
            self._looks = sorted((at, name) for name, at in self._next.items())
        self._stirred.set()

    def _forget(self, name: str) -> None:
        """It is over, or its stanza lets nothing stay any more."""
        self._next.pop(name, None)
        self._asked.pop(name, None)
        self._told.discard(name)

    def _end(self, grant: Grant) -> float:
        """Steady seconds of its next end: one step later, or as late as may be."""
        asked, step = self._asked[grant.id]
        latest = asked.steady + (self._seconds(grant) or 0)
        return round(min(grant.until + step, latest, self._end_of_lease(grant)), 3)

    def _end_of_lease(self, grant: Grant) -> float:
        number = self._numbering.now(grant)
        seconds = None if number is None else self._leases.get(number)
        return math.inf if seconds is None else self._enforcer.crowd.lease_ends(grant, seconds)

    def _may_stay(self, grant: Grant, now: Moment) -> bool:
        """Whether it may end later, going by the policy as it is now."""
        until, number = self._end(grant), self._numbering.now(grant)
        if until <= grant.until or number is None:
            return False
        wanted = (Wanted(Opening(each, until), number, grant.source) for each in grant.wanted)
        return not any(warrants.against(self._policy, each, now) for each in wanted)

    def _seconds(self, grant: Grant) -> int | None:
        """What its stanza allows now."""
        if not self._keeps:
            return None
        number = self._numbering.now(grant)
        return None if number is None else self._keeps.get(number)

    def _tell(self, grant: Grant) -> None:
        if grant.id not in self._told:
            self._told.add(grant.id)
            latest = self.latest(grant)
            self._reporter.report(GrantStays(grant, grant.ends if latest is None else latest))

    def _trouble(self, error: Exception) -> None:
        now = self._clock.now().steady
        if now - self._trouble_told >= TROUBLE:
            self._trouble_told = now
            hint = "grants end at their end meanwhile, whoever is connected"
            self._reporter.report(HostTrouble("connections", str(error), hint))

    def _pause(self) -> float | None:
        if not self._looks:
            return None
        return max(0.0, self._looks[0][0] - self._clock.now().steady)
