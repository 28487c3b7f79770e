"""Walks packets through the rooms: recognise, claim, authorise, grant, report.

In here: the order of these steps, and what becomes of a packet when one of
them fails.
Not in here: each step itself; ends and repairs (enforcer, keeper).

Receiving and settling are two: what no stanza sealed is refused as it arrives
(``receive``, which never waits), what is authentic waits in a queue, and
``settle`` takes all that has gathered there through one disk write and one
change of the firewall. A flood of garbage goes on being refused while the disk
is written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from watchword.errors import HostError
from watchword.grant.decide import Permit, authorise
from watchword.model.moments import Moment
from watchword.model.outcomes import Finding, HostTrouble, Judged, Reason, Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.model.requests import Request
from watchword.ports import Clock, Recogniser, ReplayStore, Reporter
from watchword.service.enforcer import Enforcer
from watchword.service.figures import Figures
from watchword.service.restraint import Restraint

BATCH = 1024  # requests settled together at the most: bounds the time one disk write takes
WAITING = 65_536  # authentic requests in the queue at the most; beyond it they are dropped


@dataclass(slots=True)
class _Case:
    """An authentic packet on its way, with what the next stanzas still may say."""

    packet: Packet
    request: Request
    findings: Iterator[Finding]
    refusals: list[Refusal] = field(default_factory=list)


class Gate:
    """One policy's way from packets to judgements. Replaced as a whole at a reload."""

    def __init__(
        self,
        policy: Policy,
        recogniser: Recogniser,
        *,
        store: ReplayStore,
        enforcer: Enforcer,
        reporter: Reporter,
        clock: Clock,
        restraint: Restraint | None = None,
        figures: Figures | None = None,
        recognised: Callable[[str, float], None] = lambda peer, steady: None,
        dry_run: bool = False,
    ) -> None:
        """``recognised`` is told the address of each authentic new packet, and the steady time."""
        self._policy = policy
        self._recogniser = recogniser
        self._store = store
        self._enforcer = enforcer
        self._reporter = reporter
        self._clock = clock
        self._restraint = restraint or Restraint()
        self._figures = figures or Figures(clock.now().wall)
        self._recognised = recognised
        self._dry_run = dry_run
        self._waiting: list[_Case] = []
        self._arrived = asyncio.Event()
        self._under_way = asyncio.Lock()
        """One batch at a time, in the order of arrival."""

    def receive(self, batch: Sequence[Packet]) -> None:
        """Judge packets as they come."""
        now = self._clock.now()
        for packet in batch:
            self.judge(packet, now)

    def judge(self, packet: Packet, now: Moment) -> None:
        """Refuse what no stanza sealed; put the rest into the queue. Never waits."""
        findings = self._recogniser.observe(packet, now)
        refusals: list[Refusal] = []
        request = _next_request(findings, refusals)
        if request is None:
            reason = refusals[-1].reason
            self._figures.verdicts[reason.word] += 1
            if self._restraint.tells(reason, packet.peer, now.steady):
                self._reporter.report(Judged(packet, now.wall, tuple(refusals)))
            return
        if len(self._waiting) < WAITING:
            self._waiting.append(_Case(packet, request, findings, refusals))
            self._arrived.set()
        else:
            self._figures.overflowed += 1

    async def settle_forever(self) -> None:
        """Settle what gathers, until cancelled; ``finish`` first, so that nothing is cut short."""
        while True:
            await self._arrived.wait()
            await self.settle()

    async def finish(self) -> None:
        """Settle everything that waits, and what is under way. Nothing waits when this returns."""
        while self._waiting or self._under_way.locked():
            await self.settle()

    async def settle(self) -> None:
        """Take what waits, a batch at the most, through claim, authorisation, grant and report."""
        async with self._under_way:
            cases, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._arrived.clear()
            await self._settle(cases)

    async def _settle(self, cases: list[_Case]) -> None:
        fresh = await self._claim(cases)
        now = self._clock.now()
        for case in fresh:
            self._recognised(case.packet.peer, now.steady)
            self._recogniser.expect(case.request)
        decided = [(case, self._decide(case, now)) for case in fresh]
        permitted = [(case, permit) for case, permit in decided if permit is not None]
        for case, permit in decided:
            if permit is None:
                self._figures.verdicts[case.refusals[-1].reason.word] += 1
                self._tell(case)
        if permitted and self._dry_run:
            for case, _ in permitted:
                self._figures.verdicts["would-grant"] += 1
                self._tell(case, dry_run=True)
        elif permitted:
            await self._grant(permitted)

    async def _claim(self, cases: list[_Case]) -> list[_Case]:
        """The cases that were never seen before; the others are judged here and now."""
        if not cases or not self._policy.remember:
            return cases
        self._figures.claims += len(cases)
        try:
            with self._figures.timing("claim"):
                claimed = await self._store.claim([case.request.key for case in cases])
        except HostError as error:
            self._store_failed(cases, error)
            return []
        for case, first in zip(cases, claimed, strict=True):
            if not first:
                await self._replayed(case)
        return [case for case, first in zip(cases, claimed, strict=True) if first]

    def _store_failed(self, cases: Sequence[_Case], error: HostError) -> None:
        """The trouble is told with refusals that are told: an overheard packet brings it about."""
        told = [case for case in cases if self._counted(case, Reason.STORE_REFUSED)]
        if told:
            self._reporter.report(HostTrouble("replay store", str(error), error.hint))
        for case in told:
            case.refusals.append(Refusal(Reason.STORE_REFUSED, (case.request.stanza,)))
            self._tell(case)

    async def _replayed(self, case: _Case) -> None:
        if not self._counted(case, Reason.REPLAYED):
            return
        try:
            original = await self._store.first_sighting(case.request.key)
        except HostError:
            original = None  # what is said of it is poorer; it is refused all the same
        case.refusals = [Refusal(Reason.REPLAYED, original=original)]
        self._tell(case)

    def _decide(self, case: _Case, now: Moment) -> Permit | None:
        """The first stanza that says yes, in order; its refusals are kept on the way."""
        request: Request | None = case.request
        while request is not None:
            answer = authorise(self._policy, request, now)
            if isinstance(answer, Permit):
                case.request = request
                return answer
            case.refusals.append(answer)
            request = _next_request(case.findings, case.refusals)
        return None

    async def _grant(self, permitted: Sequence[tuple[_Case, Permit]]) -> None:
        try:
            with self._figures.timing("grant"):
                grants = await self._enforcer.grant([permit for _, permit in permitted])
        except HostError as error:
            self._reporter.report(HostTrouble("firewall", str(error), error.hint))
            for case, _ in permitted:
                self._figures.verdicts[Reason.FIREWALL_REFUSED.word] += 1
                case.refusals.append(Refusal(Reason.FIREWALL_REFUSED, (case.request.stanza,)))
                self._tell(case)
            return
        at = self._clock.now().wall
        self._figures.verdicts["granted"] += len(grants)
        for (case, _), grant in zip(permitted, grants, strict=True):
            self._reporter.report(
                Judged(case.packet, at, tuple(case.refusals), case.request, grant)
            )

    def _counted(self, case: _Case, reason: Reason) -> bool:
        """Count a refusal; whether it is told on its own."""
        self._figures.verdicts[reason.word] += 1
        return self._restraint.tells(reason, case.packet.peer, self._clock.now().steady)

    def _tell(self, case: _Case, *, dry_run: bool = False) -> None:
        at = self._clock.now().wall
        self._reporter.report(
            Judged(case.packet, at, tuple(case.refusals), case.request, dry_run=dry_run)
        )


def _next_request(findings: Iterator[Finding], refusals: list[Refusal]) -> Request | None:
    for finding in findings:
        if isinstance(finding, Request):
            return finding
        refusals.append(finding)
    return None
