"""Walks packets through the rooms: recognise, claim, authorise, grant, report.

In here: the order of these steps, and what becomes of a packet when one of
them fails.
Not in here: each step itself; how OpenPGP packets are opened (vault); letting in, and who
waits for that (entrance); counting and telling refusals (verdicts); ends and repairs
(enforcer, keeper).

Receiving and settling are two: what no stanza sealed is refused as it arrives
(``receive``, which never waits), what is authentic waits in a queue, and
``settle`` takes all that has gathered there through one disk write and one
change of the firewall. A flood of garbage goes on being refused while the disk
is written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from watchword.errors import HostError
from watchword.grant.closing import ClosePermit
from watchword.grant.decide import authorise
from watchword.grant.knock_limits import KnockLimits
from watchword.grant.permits import CommandPermit, Permit, Unresolved, Yes
from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.openings import Grant
from watchword.model.outcomes import Finding, Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.requests import Request, Sealed
from watchword.ports import Clock, OpenPgp, Recogniser, ReplayStore, Reporter
from watchword.service.daemon.cases import Case, nearest, next_found
from watchword.service.daemon.claims import Claims
from watchword.service.daemon.commands import Commands
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.entrance import Entrance
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import Hand, command_programs
from watchword.service.daemon.names import Names
from watchword.service.daemon.numbering import Numbering
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.vault import Answer, Vault
from watchword.service.daemon.verdicts import Verdicts

BATCH = 1024  # requests settled together at the most: bounds the time one disk write takes
WAITING = 65_536  # authentic requests in the queue at the most; beyond it they are dropped


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
        openpgp: OpenPgp,
        hand: Hand | None = None,
        commands: Commands | None = None,
        cycles: Cycles | None = None,
        names: Names | None = None,
        knock_limits: KnockLimits | None = None,
        restraint: Restraint | None = None,
        figures: Figures | None = None,
        recognised: Callable[[str, float], None] = lambda peer, steady: None,
        known: Callable[[str, float], bool] = lambda peer, steady: False,
        dry_run: bool = False,
    ) -> None:
        """``recognised`` is told the address of each authentic new packet, and the steady time;
        ``known`` says whether there was one, not too long ago."""
        self._policy = policy
        self._recogniser = recogniser
        self._enforcer = enforcer
        self._reporter = reporter
        self._clock = clock
        self._figures = figures or Figures(clock.now().wall)
        self._verdicts = Verdicts(reporter, restraint or Restraint(), self._figures, clock)
        self._claims = Claims(store, self._verdicts, self._figures, reporter, clock)
        self._recognised = recognised
        self._vault = Vault(openpgp, lambda peer: known(peer, clock.now().steady))
        self._hand = hand or Hand(policy, command_programs())
        self._commands = commands or Commands(reporter, clock, self._figures)
        self._cycles = cycles or Cycles.alone(reporter, clock, self._figures)
        self._names = names or Names()
        self._knock_limits = knock_limits or KnockLimits()
        self._dry_run = dry_run
        self._numbering: Numbering | None = None
        """Of the policy, once somebody needed it."""
        self._waiting: list[Case] = []
        self._arrived = asyncio.Event()
        self._entrance = Entrance(
            enforcer, self._verdicts, self._figures, reporter, clock, stir=self._arrived.set
        )
        self._under_way = asyncio.Lock()
        """One batch at a time, in the order of arrival."""

    async def take_policy(self, policy: Policy) -> None:
        """Decide by this policy, which has the same stanzas; return once nothing else is done."""
        self._policy = policy
        self._numbering = None
        async with self._under_way:
            pass

    def receive(self, batch: Sequence[Packet]) -> None:
        """Judge packets as they come."""
        now = self._clock.now()
        for packet in batch:
            self.judge(packet, now)

    def judge(self, packet: Packet, now: Moment) -> None:
        """Refuse what no stanza sealed; put the rest into a queue. Never waits."""
        self.weigh(packet, self._recogniser.observe(packet, now), now)

    def weigh(self, packet: Packet, findings: Iterator[Finding], now: Moment) -> None:
        """The same with what somebody has recognised already: a knock is more than one packet."""
        refusals: list[Refusal] = []
        found = next_found(findings, refusals)
        if found is None:
            self._verdicts.refuse(Judged(packet, now.wall, tuple(refusals)), now)
        else:
            self._go_on(Case(packet, findings, refusals), found)

    def _go_on(self, case: Case, found: Request | Sealed | None) -> None:
        """To the vault with what only a key ring opens, to the queue with what is open.

        Not by recursion: a case may go through thousands of stanzas of one key ring.
        """
        case.away = True
        while isinstance(found, Sealed):
            answer = self._vault.known_answer(found)
            if answer is None and found.keyring.name not in case.passed_over:
                go_on = partial(self._opened, case, found)
                self._vault.bring(found, go_on, spent=case.claimed)
                return
            found = self._next_after(case, found, answer)
        if found is None:
            now = self._clock.now()
            self._verdicts.refuse(
                Judged(case.packet, now.wall, tuple(case.refusals), case.request), now
            )
        elif len(self._waiting) < WAITING:
            case.request = found
            self._waiting.append(case)
            self._arrived.set()
        else:
            self._figures.overflowed += 1

    def _opened(self, case: Case, sealed: Sealed, answer: Answer | None) -> None:
        """Go on with a packet that comes back from the vault."""
        self._go_on(case, self._next_after(case, sealed, answer))

    def _next_after(
        self, case: Case, sealed: Sealed, answer: Answer | None
    ) -> Request | Sealed | None:
        """What the stanza found, now that its key ring has answered, or else the next ones."""
        if answer is None or isinstance(answer, HostError):
            case.passed_over.add(sealed.keyring.name)
        if answer is None:
            finding: Request | Refusal = Refusal(Reason.GPG_BUSY, (sealed.stanza,))
        elif isinstance(answer, HostError):
            finding = Refusal(Reason.GPG_FAILED, (sealed.stanza,), str(answer))
        else:
            finding = self._recogniser.unsealed(sealed, answer, self._clock.now())
        if isinstance(finding, Request):
            return finding
        case.refusals.append(finding)
        return next_found(case.findings, case.refusals)

    async def open_forever(self) -> None:
        """Have key rings opened for what waits for them, until cancelled."""
        await self._vault.serve()

    @property
    def sealed(self) -> int:
        """Packets that wait for key rings."""
        return self._vault.count

    def abandon(self) -> list[Packet]:
        """Give up what waits for key rings, for the next gate to judge it anew."""
        return self._vault.abandon()

    async def settle_forever(self) -> None:
        """Settle what gathers, until cancelled; ``finish`` first, so that nothing is cut short."""
        while True:
            await self._arrived.wait()
            await self.settle()

    async def finish(self) -> None:
        """Settle everything that waits, and what is under way. Nothing waits when this returns."""
        while True:
            while self._waiting or self._under_way.locked():
                await self.settle()
            await self._commands.checked()  # what is not run may be for the next stanza
            await self._names.answered()
            self._entrance.send_away("the server was stopped, or read its files again")
            if not self._waiting:
                return

    async def settle(self) -> None:
        """Take what waits, a batch at the most, through claim, authorisation, grant and report."""
        async with self._under_way:
            cases, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._arrived.clear()
            await self._settle(cases)
            await self._entrance.serve_the_line()

    async def _settle(self, cases: list[Case]) -> None:
        for case in cases:
            case.away = False
            case.claimed = case.claimed or case.asked.repeatable
        fresh = await self._claims.fresh([case for case in cases if not case.claimed], self._policy)
        now = self._clock.now()
        for case in fresh:
            case.claimed = True
            self._recognised(case.packet.peer, now.steady)
            if case.packet.knock is None:
                self._recogniser.expect(case.asked)
        going_on = [case for case in cases if case.claimed]
        decided = [(case, self._decide(case, now)) for case in going_on]
        permitted = [(case, permit) for case, permit in decided if permit is not None]
        for case, permit in decided:
            if (
                permit is None
                and not case.away
                and self._verdicts.counted(case, nearest(case.refusals))
            ):
                self._verdicts.tell(case)
        if permitted and self._dry_run:
            for case, _ in permitted:
                self._figures.verdicts["would-grant"] += 1
                self._verdicts.tell(case, dry_run=True)
        else:
            await self._carry_out(permitted)

    async def _carry_out(self, permitted: Sequence[tuple[Case, Yes]]) -> None:
        openings: list[tuple[Case, Permit]] = []
        for case, permit in permitted:
            if isinstance(permit, CommandPermit):
                self._commands.begin(self._hand, case, permit, self._not_run)
            elif isinstance(permit, ClosePermit):
                if openings:  # what came before it is open before it closes anything
                    await self._entrance.let_in(openings)
                    openings = []
                await self._close(case, permit)
            elif permit.cycle is not None:
                self._cycles.begin(self._hand, case, permit)
            else:
                openings.append((case, permit))
        if openings:
            await self._entrance.let_in(openings)

    async def _close(self, case: Case, permit: ClosePermit) -> None:
        """End what the caller has got from this stanza, whatever number it had then."""
        request = permit.request
        numbering = self._numbering = self._numbering or Numbering(self._policy)

        def wanted(grant: Grant) -> bool:
            return permit.covers(grant) and numbering.now(grant) == request.stanza

        over = [
            *await self._enforcer.close(permit.who, wanted),
            *self._cycles.close(permit.who, wanted),
        ]
        if not over:
            self._not_run(case, Refusal(Reason.NOTHING_TO_CLOSE, (request.stanza,)))
            return
        self._figures.verdicts["closed"] += 1
        at, names = self._clock.now().wall, tuple(grant.id for grant in over)
        refusals = tuple(case.refusals)
        self._reporter.report(Judged(case.packet, at, refusals, request, closed=names))

    def _not_run(self, case: Case, refusal: Refusal) -> None:
        """Ask the next stanza about a command that one did not let pass."""
        case.refusals.append(refusal)
        found = next_found(case.findings, case.refusals)
        if found is not None:
            self._go_on(case, found)
            return
        self._figures.verdicts[case.refusals[-1].reason.word] += 1
        self._verdicts.tell(case)

    def _decide(self, case: Case, now: Moment) -> Yes | None:
        """The first stanza that says yes, in order; its refusals are kept on the way.

        None where none does, or where only a key ring can say, or what a host's addresses are
        has to be asked: then the case is away.
        """
        found: Request | Sealed | None = case.asked
        while isinstance(found, Request):
            answer = authorise(self._policy, found, now, case.named)
            if isinstance(answer, Permit) and case.packet.knock is not None:
                terms = self._policy.terms(found.stanza)
                answer = self._knock_limits.take(terms, found) or answer
            if isinstance(answer, Unresolved):
                case.away = True
                self._names.ask(answer.host, partial(self._resolved, case, found))
                return None
            if not isinstance(answer, Refusal):
                case.request = found
                return answer
            case.refusals.append(answer)
            found = next_found(case.findings, case.refusals)
        if found is not None:
            self._go_on(case, found)
        return None

    def _resolved(self, case: Case, request: Request, addresses: tuple[Address, ...]) -> None:
        """Go on with a packet that names a host, now that its addresses are known."""
        case.named = addresses
        self._go_on(case, request)
