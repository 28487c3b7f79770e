"""Opens by the operator's own commands: a few packets at once, the others wait for a moment.

In here: the one order of things - note what will close, run what opens, report.
Not in here: what is open by now, and its end (cycles), what the commands are (grant.cycles),
running them (hand).

The closing commands are on disk before the first opening command begins: one that failed may have
done half of its work, and a close that nobody remembers is an open port for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from watchword.errors import HostError
from watchword.grant import cycles
from watchword.grant.granting import granted
from watchword.grant.permits import Permit
from watchword.model.commands import Cycle
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import CycleOpening, Judged, Refusal
from watchword.model.reasons import Reason
from watchword.ports import Clock, Completed, Journal, NotStartedError, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import Blocked, BlockedError, Hand, failure

AT_ONCE = 16  # packets whose opening commands run
WAITING = 1024  # packets that wait for that; more are refused
PATIENCE = 10.0  # seconds that one waits: nobody expects a port to open after that


class _OpeningError(Exception):
    """An opening command failed; the message says how."""


class Opener:
    """Everything that is being opened, across reloads."""

    def __init__(
        self,
        journal: Journal,
        reporter: Reporter,
        clock: Clock,
        figures: Figures,
        *,
        taken: Callable[[str], bool],
        blocked: Blocked,
        prolong: Callable[[Grant], Awaitable[Grant | None]],
        hold: Callable[[Grant], None],
    ) -> None:
        """``taken`` as ``Ledger.taken_elsewhere``; ``blocked`` is asked when the turn of a packet,
        or of one of its commands, has come.

        ``prolong`` has what such a grant's caller has already end with it, if there is something,
        and says what that is then; it raises HostError. ``hold`` is told of what is to be closed
        at its end from now on.
        """
        self._journal = journal
        self._reporter = reporter
        self._clock = clock
        self._figures = figures
        self._taken = taken
        self._blocked = blocked
        self._prolong = prolong
        self._hold = hold
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="open")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._planned: set[str] = set()
        """Names of what is being opened."""

    @property
    def under_way(self) -> int:
        """Packets whose commands wait or run."""
        return len(self._tasks)

    def has(self, name: str) -> bool:
        """Whether a grant of that name is being opened."""
        return name in self._planned

    def begin(self, hand: Hand, case: Case, permit: Permit) -> None:
        """Have a packet's commands run. Does not wait."""
        if len(self._tasks) >= WAITING:
            self._refuse(case, permit, Reason.TOO_MANY_COMMANDS, str(WAITING))
            return
        task = asyncio.get_running_loop().create_task(self._open(hand, case, permit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def opened(self, patience: float | None = None) -> None:
        """Wait until what is being opened now is open, or failed; for some seconds at the most."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)

    def stop(self) -> None:
        """Open nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _open(self, hand: Hand, case: Case, permit: Permit) -> None:
        asked = self._clock.now().steady
        async with self._places:
            if self._blocked(permit.key):
                self._refuse(case, permit, Reason.KEY_BLOCKED, "")
                return
            if self._clock.now().steady - asked > PATIENCE:
                self._refuse(case, permit, Reason.TOO_MANY_COMMANDS, str(AT_ONCE))
                return
            grant = self._plan(permit)
            self._planned.add(grant.id)
            try:
                await self._carry_out(hand, case, permit, grant)
            finally:
                self._planned.discard(grant.id)

    async def _carry_out(self, hand: Hand, case: Case, permit: Permit, grant: Grant) -> None:
        try:
            if await self._renewed(case, permit, grant):
                return
            await self._journal.granted([grant])
        except HostError as error:
            self._reporter.report(HostTrouble("journal", str(error), error.hint))
            self._refuse(case, permit, Reason.CYCLE_UNRECORDED, str(error))
            return
        await self._run(hand, case, permit, grant)

    def _plan(self, permit: Permit) -> Grant:
        terms = permit.cycle
        if terms is None:
            raise RuntimeError("a permit without commands came to the commands")
        services = cycles.served(terms, permit.services)
        grant = granted(permit, self._clock.now(), self._taken)
        planned = self._closed_by(grant, permit, cycles.values(permit))
        return replace(planned, services=services)

    async def _renewed(self, case: Case, permit: Permit, grant: Grant) -> bool:
        """Prolong what the caller has already, if the stanza says so; whether that was done.

        Raises HostError: the journal refused, and nothing has changed.
        """
        if permit.cycle is None or not permit.cycle.renews:
            return False
        longer = await self._prolong(grant)
        if longer is not None:
            self._grant(case, longer)
        return longer is not None

    async def _run(self, hand: Hand, case: Case, permit: Permit, grant: Grant) -> None:
        """Run everything that opens, up to the first that fails."""
        begun = 0
        try:
            for number, values in enumerate(cycles.values(permit)):
                self._announce(case, permit, values, first=number == 0)
                await self._run_one(hand, permit, replace(values, grant=grant.id))
                begun += 1
        except (NotStartedError, BlockedError) as error:
            if not begun:
                await self._drop(grant)
            else:
                self._hold(await self._reduced(grant, permit, begun))
            blocked = isinstance(error, BlockedError)
            reason = Reason.KEY_BLOCKED if blocked else Reason.CYCLE_FAILED
            self._refuse(case, permit, reason, str(error))
        except Exception as error:  # whatever it is: what may be open is closed at its end
            self._hold(await self._reduced(grant, permit, begun + 1))
            why = str(error) or type(error).__name__
            self._refuse(case, permit, Reason.CYCLE_FAILED, why)
        else:
            self._hold(grant)
            self._grant(case, grant)

    async def _reduced(self, grant: Grant, permit: Permit, begun: int) -> Grant:
        """With so many of its services; what was never begun has not to be closed."""
        less = self._closed_by(grant, permit, cycles.values(permit)[:begun])
        if less != grant:
            with contextlib.suppress(HostError):  # then all of it is closed after a restart
                await self._journal.granted([less])
        return less

    def _closed_by(self, grant: Grant, permit: Permit, runs: Iterable[cycles.Values]) -> Grant:
        found = (cycles.closing(permit.cycle, each) for each in runs) if permit.cycle else ()
        return replace(grant, cycle=Cycle(tuple(each for each in found if each is not None)))

    async def _run_one(self, hand: Hand, permit: Permit, values: cycles.Values) -> None:
        """Raises an error unless it succeeds: the exit status counts."""

        def run() -> Completed:
            if self._blocked(permit.key):
                raise BlockedError
            return hand.open(permit.request.stanza, values)

        done = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        if done.status:
            raise _OpeningError(failure(done))

    def _announce(self, case: Case, permit: Permit, values: cycles.Values, *, first: bool) -> None:
        if permit.cycle is not None:
            text = cycles.opening(permit.cycle, values).text
            self._reporter.report(
                CycleOpening(permit.request, text, first, tuple(case.refusals) if first else ())
            )

    async def _drop(self, grant: Grant) -> None:
        """Nothing of it has happened, so there is nothing to close."""
        with contextlib.suppress(HostError):  # then it is closed for nothing, after a restart
            await self._journal.ended([(grant.id, Ending.FAILED)], self._clock.now().wall)

    def _grant(self, case: Case, grant: Grant) -> None:
        self._figures.verdicts["granted"] += 1
        at, refusals = self._clock.now().wall, tuple(case.refusals)
        self._reporter.report(Judged(case.packet, at, refusals, case.request, grant))

    def _refuse(self, case: Case, permit: Permit, reason: Reason, detail: str) -> None:
        self._figures.verdicts[reason.word] += 1
        at = self._clock.now().wall
        refusals = (*case.refusals, Refusal(reason, (permit.request.stanza,), detail))
        self._reporter.report(Judged(case.packet, at, refusals, permit.request))
