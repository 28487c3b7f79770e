"""Asks the replay memory whether packets were seen before.

In here: those that never were, and what becomes of the others.
Not in here: the memory (edges.replay), what follows for who is new (gate).
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.errors import HostError
from watchword.grant.decide import authorise
from watchword.model.daemon_events import HostTrouble
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.requests import Claim
from watchword.ports import Clock, ReplayStore, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.verdicts import Verdicts


class Claims:
    """For one gate."""

    def __init__(
        self,
        store: ReplayStore,
        verdicts: Verdicts,
        figures: Figures,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._store = store
        self._verdicts = verdicts
        self._figures = figures
        self._reporter = reporter
        self._clock = clock

    async def fresh(self, cases: list[Case], policy: Policy) -> list[Case]:
        """The cases that were never seen before; the others are judged here and now."""
        if not cases or not policy.remember:
            return cases
        self._figures.claims += len(cases)
        try:
            with self._figures.timing("claim"):
                claimed = await self._store.claim([case.asked.key for case in cases])
        except HostError as error:
            self._store_failed(cases, error)
            return []
        for case, claim in zip(cases, claimed, strict=True):
            if claim is Claim.KNOWN:
                await self._replayed(case)
            elif claim is Claim.BEYOND_MEMORY:
                self._beyond_memory(case, policy)
        return [each for each, claim in zip(cases, claimed, strict=True) if claim is Claim.FIRST]

    def _store_failed(self, cases: Sequence[Case], error: HostError) -> None:
        """The trouble is told with refusals that are told: an overheard packet brings it about."""
        told = [case for case in cases if self._verdicts.counted(case, Reason.STORE_REFUSED)]
        if told:
            self._reporter.report(HostTrouble("replay store", str(error), error.hint))
        for case in told:
            case.refusals.append(Refusal(Reason.STORE_REFUSED, (case.asked.stanza,)))
            self._verdicts.tell(case)

    async def _replayed(self, case: Case) -> None:
        if not self._verdicts.counted(case, Reason.REPLAYED):
            return
        try:
            original = await self._store.first_sighting(case.asked.key)
        except HostError:
            original = None  # what is said of it is poorer; it is refused all the same
        case.refusals = [Refusal(Reason.REPLAYED, original=original)]
        self._verdicts.tell(case)

    def _beyond_memory(self, case: Case, policy: Policy) -> None:
        """Nobody knows whether it was seen. Mostly it is too old anyhow, and is told so."""
        answer = authorise(policy, case.asked, self._clock.now())
        if not isinstance(answer, Refusal) or answer.reason is not Reason.TOO_OLD:
            answer = Refusal(Reason.BEYOND_MEMORY, (case.asked.stanza,))
        case.refusals = [answer]
        if self._verdicts.counted(case, answer.reason):
            self._verdicts.tell(case)
