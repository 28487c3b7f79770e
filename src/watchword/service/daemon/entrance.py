"""Lets in who is permitted: at once, or when it is his turn.

In here: what becomes of a permit that is for the firewall, and of who waits for an address that
somebody else holds.
Not in here: whether to permit (gate), the order of those who wait (turns), what is open (enforcer),
commands (commands, cycles).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from watchword.errors import HostError
from watchword.grant.crowd import Wait
from watchword.grant.granting import name_of
from watchword.grant.neighbours import SHOWN
from watchword.grant.permits import Permit
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Grant, Opening
from watchword.model.outcomes import AddressShared, Judged, Refusal, Together
from watchword.model.reasons import Reason
from watchword.ports import Clock, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.turns import PATIENCE, Turn, Turns
from watchword.service.daemon.verdicts import Verdicts


class Entrance:
    """For one gate, which calls nothing here twice at a time."""

    def __init__(
        self,
        enforcer: Enforcer,
        verdicts: Verdicts,
        figures: Figures,
        reporter: Reporter,
        clock: Clock,
        *,
        stir: Callable[[], None],
    ) -> None:
        """``stir`` is called when ``serve_the_line`` may have something to do."""
        self._enforcer = enforcer
        self._verdicts = verdicts
        self._figures = figures
        self._reporter = reporter
        self._clock = clock
        self._stir = stir
        self._turns = Turns()
        """Who waits for an address that is held."""
        enforcer.freed = self._freed

    def _freed(self) -> None:
        if self._turns:
            self._stir()

    async def let_in(self, permitted: Sequence[tuple[Case, Permit]]) -> None:
        """Open for all of them, or, where the firewall refuses, for nobody; and tell."""
        await self._grant(permitted, ())

    async def serve_the_line(self) -> None:
        """Let in who has waited for an address, if it is free by now; or not any more."""
        if not self._turns:
            return
        now = self._clock.now()
        ready: list[Turn] = []
        for turn in self._turns.all():
            if turn.until <= now.steady:
                self._give_up(turn, "nobody left in time")
            elif not isinstance(self._enforcer.crowd.judge(turn.permit, now), Wait):
                ready.append(turn)
        if ready:
            await self._grant([(each.case, each.permit) for each in ready], ready)

    def send_away(self, why: str) -> None:
        """Have nobody wait any more."""
        for turn in self._turns.all():
            self._give_up(turn, why)

    def _give_up(self, turn: Turn, why: str) -> None:
        self._turns.leave(turn)
        self._verdicts.deny(turn.case, turn.given_up(why))

    async def _grant(self, permitted: Sequence[tuple[Case, Permit]], turns: Sequence[Turn]) -> None:
        """``turns``: of those who waited in line, as many; who has to wait on keeps his."""
        try:
            with self._figures.timing("grant"):
                answers = await self._enforcer.grant([permit for _, permit in permitted])
        except HostError as error:
            for turn in turns:
                self._turns.leave(turn)
            self._reporter.report(HostTrouble.of("firewall", error))
            for case, _ in permitted:
                self._verdicts.deny(case, Refusal(Reason.FIREWALL_REFUSED, (case.asked.stanza,)))
            return
        for turn, answer in zip(turns, answers, strict=False):
            if not isinstance(answer, Wait):
                self._turns.leave(turn)
        for (case, permit), answer in zip(permitted, answers, strict=True):
            if isinstance(answer, Grant):
                self._granted(case, permit, answer)
            elif isinstance(answer, Opening):
                self._led_elsewhere(case, answer)
            elif isinstance(answer, Refusal):
                # nothing but others at the same address: no other stanza is asked
                self._verdicts.deny(case, answer)
            elif not turns:
                self._wait(case, permit, answer)

    def _granted(self, case: Case, permit: Permit, grant: Grant) -> None:
        self._figures.verdicts["granted"] += 1
        self._reporter.report(
            Judged(
                case.packet, self._clock.now().wall, tuple(case.refusals), case.request, grant,
                renewed=not grant.id.startswith(name_of(permit.request)),
                resolved=case.named is not None,
            )
        )  # fmt: skip

    def _led_elsewhere(self, case: Case, other: Opening) -> None:
        remaining = max(1, round(other.until - self._clock.now().steady))
        detail = f"to {other.hole.lead} for another {remaining} seconds"
        self._verdicts.deny(case, Refusal(Reason.LED_ELSEWHERE, (case.asked.stanza,), detail))

    def _wait(self, case: Case, permit: Permit, wait: Wait) -> None:
        """Get somebody in line."""
        steady = self._clock.now().steady
        there, before = self._turns.take_place(case, permit, steady)
        if before is not None:
            self._verdicts.deny(before.case, before.given_up("asked once more"))
        if not there:
            detail = f"{permit.request.user[:SHOWN]}: too many wait for {permit.who} already"
            no = Refusal(Reason.ADDRESS_HELD, (permit.request.stanza,), detail)
            self._verdicts.deny(case, no)
            return
        asyncio.get_running_loop().call_later(PATIENCE + 0.1, self._stir)
        user = (permit.request.user,)
        self._reporter.report(AddressShared(permit.who, Together.WAITS, user, wait.holder))
