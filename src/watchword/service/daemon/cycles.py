"""Opens by the operator's own commands, and sees to it that what was opened is closed.

In here: the one order of things - note what will close, run what opens, report -
and the closing of what has come to its end, after a crash as well.
Not in here: what the commands are (grant.cycles), running them (hand), how
closings wait for each other (closer).

A close that nobody remembers is an open port for ever. So the closing commands
are on disk before the first opening command begins, and are run at their time
whatever became of it: one that failed may have done half of its work. They are
not run earlier for that either, because the same caller may be in by an
earlier packet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from watchword.edges.replay.memory import MemoryJournal
from watchword.errors import HostError
from watchword.grant import cycles
from watchword.grant.decide import Permit
from watchword.grant.granting import granted
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import State, Turn
from watchword.model.addresses import Address
from watchword.model.commands import Cycle
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import CycleOpening, Judged, Refusal, Restored
from watchword.model.reasons import Reason
from watchword.model.services import Service
from watchword.ports import Clock, Completed, Journal, NotStartedError, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.extending import check_extension, extended, not_in_force
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import (
    Blocked,
    BlockedError,
    Hand,
    close,
    command_programs,
    nothing_blocked,
)
from watchword.service.daemon.unclosed import Waiting

AT_ONCE = 16  # packets whose opening commands run
WAITING = 1024  # packets that wait for that; more are refused
PATIENCE = 10.0  # seconds that one waits: nobody expects a port to open after that
_SAID = 200  # characters of a command's complaint that are kept

_Key: TypeAlias = tuple[int, str, Address, tuple[Service, ...]]
"""What makes two requests one: stanza, key, caller, services."""


class _OpeningError(Exception):
    """An opening command failed; the message says how."""


class Cycles:
    """Everything that commands have opened, across reloads."""

    def __init__(
        self, journal: Journal, closer: Closer, reporter: Reporter, clock: Clock, figures: Figures
    ) -> None:
        self.ledger = Ledger()
        self._journal = journal
        self._closer = closer
        self._reporter = reporter
        self._clock = clock
        self._figures = figures
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="open")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stirred = asyncio.Event()
        self._moving = asyncio.Lock()
        """One end is moved at a time: what is written down is worked out from what is in force."""
        self._planned: set[str] = set()
        """Names of what is being opened."""
        self.taken_elsewhere: Callable[[str], bool] = lambda name: False
        """As ``Ledger.taken_elsewhere``."""
        self.blocked: Blocked = nothing_blocked
        """Asked when the turn of a packet, or of one of its commands, has come."""
        self.prolonged: Callable[[Grant], None] = lambda grant: None
        """Told of a grant that will be closed later than was said."""
        self._live: dict[_Key, str] = {}
        """The latest grant of each kind, for stanzas that renew."""
        closer.waiting.in_use = lambda grant: _key(grant) in self._live

    @classmethod
    def alone(cls, reporter: Reporter, clock: Clock, figures: Figures) -> Cycles:
        """Without a memory that lasts, for who has no daemon around it."""
        journal = MemoryJournal()
        closer = Closer(journal, partial(close, command_programs()), reporter, clock)
        return cls(journal, closer, reporter, clock, figures)

    @property
    def unclosed(self) -> Waiting:
        """What is over, and could not be closed."""
        return self._closer.waiting

    def try_again(self, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """Close what could not be closed, once more; after that it is over whatever comes of it."""
        return self._closer.close_at_last(wanted)

    @property
    def opening(self) -> int:
        """Packets whose commands wait or run."""
        return len(self._tasks)

    def has(self, name: str) -> bool:
        """Whether a grant of that name is being opened, in force, or being closed."""
        held = self.ledger.grant(name) is not None
        return held or name in self._planned or self._closer.has(name)

    async def resume(self, *, flush: bool) -> None:
        """Take up what an earlier run has left to close; what is due is closed at once, in order.

        Raises HostError: the journal cannot be read.
        """
        now = self._clock.now()
        unfinished = await self._journal.unfinished(now)
        found = [each for each in unfinished if each.cycle is not None and not each.door]
        kept = [each for each in found if each.until > now.steady and not flush]
        for grant in kept:
            self._hold(grant)
        over = [each for each in found if each.until <= now.steady or flush]
        for grant in sorted(over, key=lambda each: each.until):
            due = grant.until <= now.steady
            self._closer.close(grant, Ending.EXPIRED if due else Ending.REVOKED)
        if kept:
            why = "their commands had opened before this start"
            self._reporter.report(Restored(len(kept), why))

    def begin(self, hand: Hand, case: Case, permit: Permit) -> None:
        """Have a packet's commands run. Does not wait."""
        if len(self._tasks) >= WAITING:
            self._refuse(case, permit, Reason.TOO_MANY_COMMANDS, str(WAITING))
            return
        task = asyncio.get_running_loop().create_task(self._open(hand, case, permit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end_forever(self) -> None:
        """Close each at its end, until cancelled."""
        while True:
            deadline = self.ledger.next_deadline()
            pause = None if deadline is None else max(0.0, deadline - self._clock.now().steady)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            self._stirred.clear()
            self.expire()

    def expire(self) -> None:
        """Close what has come to its end. Does not wait."""
        for grant in self.ledger.expire(self._clock.now()):
            self._forget(grant)
            self._closer.close(grant, Ending.EXPIRED)

    async def opened(self) -> None:
        """Wait until what is being opened now is open, or failed."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def revoke(self, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """Close what is wanted to be closed before its time. Does not wait for the commands."""
        return self._end(filter(wanted, self.ledger.grants()), Ending.REVOKED)

    def close(self, who: Address, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """The same for a caller's own."""
        return self._end(filter(wanted, self.ledger.grants_for(who)), Ending.CLOSED)

    def _end(self, grants: Iterable[Grant], ending: Ending) -> list[Grant]:
        over = sorted(grants, key=lambda each: each.until)
        for grant in over:
            self.ledger.withdraw(grant.id, Turn.REVOKED)
            self._forget(grant)
            self._closer.close(grant, ending)
        return over

    async def extend(self, name: str, seconds: float, most: float | None) -> Grant:
        """Close some seconds later. ``most``: seconds that may remain then; None: any.

        Raises OperatorError: it is not in force, or too much would remain.
        Raises HostError: the journal refused, and the end is where it was.
        """
        async with self._moving:
            before = self.ledger.grant(name)
            if before is None:
                raise not_in_force(name)
            check_extension(before, seconds, most, self._clock.now())
            longer = extended(before, seconds)
            await self._journal.granted([longer])
            if self.ledger.grant(name) is not before:
                raise not_in_force(name)  # it ended while this was written down
            self.ledger.set_end(before, longer.ends, longer.until)
            self.prolonged(longer)
        self._stirred.set()
        return longer

    async def stop(self, *, patience: float) -> None:
        """Close everything: nobody will be there to do it later.

        What takes longer than ``patience`` seconds is left to the next start, as after a crash.
        """
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)
        for grant in sorted(self.ledger.grants(), key=lambda each: each.until):
            self.ledger.withdraw(grant.id, Turn.REVOKED)
            self._closer.close(grant, Ending.REVOKED)
        await self._closer.stop(patience)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _open(self, hand: Hand, case: Case, permit: Permit) -> None:
        asked = self._clock.now().steady
        async with self._places:
            if self.blocked(permit.key):
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

    def _taken(self, name: str) -> bool:
        return self.has(name) or self.taken_elsewhere(name)

    async def _renewed(self, case: Case, permit: Permit, grant: Grant) -> bool:
        """Prolong what the caller has already, if the stanza says so; whether that was done.

        Raises HostError: the journal refused, and nothing has changed.
        """
        if permit.cycle is None or not permit.cycle.renews:
            return False
        async with self._moving:
            name = self._live.get(_key(grant))
            before = self.ledger.grant(name) if name else None
            if before is None:
                return False
            longer = _prolonged(grant, before)
            await self._journal.granted([longer])
            if self.ledger.grant(before.id) is None:
                return False  # it ended while this was written down
            self.ledger.withdraw(before.id, Turn.REVOKED)
            self._hold(longer)
            self._closer.renewed(before)
            self.prolonged(longer)
        self._grant(case, longer)
        return True

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
            if self.blocked(permit.key):
                raise BlockedError
            return hand.open(permit.request.stanza, values)

        done = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        if done.status:
            raise _OpeningError(_failure(done))

    def _announce(self, case: Case, permit: Permit, values: cycles.Values, *, first: bool) -> None:
        if permit.cycle is not None:
            text = cycles.opening(permit.cycle, values).text
            self._reporter.report(
                CycleOpening(permit.request, text, first, tuple(case.refusals) if first else ())
            )

    def _hold(self, grant: Grant) -> None:
        """From now on it will be closed at its end."""
        self.ledger.resume(grant, State.OPEN)
        self._live[_key(grant)] = grant.id
        self._stirred.set()

    async def _drop(self, grant: Grant) -> None:
        """Nothing of it has happened, so there is nothing to close."""
        with contextlib.suppress(HostError):  # then it is closed for nothing, after a restart
            await self._journal.ended([(grant.id, Ending.FAILED)], self._clock.now().wall)

    def _forget(self, grant: Grant) -> None:
        if self._live.get(_key(grant)) == grant.id:
            del self._live[_key(grant)]

    def _grant(self, case: Case, grant: Grant) -> None:
        self._figures.verdicts["granted"] += 1
        at, refusals = self._clock.now().wall, tuple(case.refusals)
        self._reporter.report(Judged(case.packet, at, refusals, case.request, grant))

    def _refuse(self, case: Case, permit: Permit, reason: Reason, detail: str) -> None:
        self._figures.verdicts[reason.word] += 1
        at = self._clock.now().wall
        refusals = (*case.refusals, Refusal(reason, (permit.request.stanza,), detail))
        self._reporter.report(Judged(case.packet, at, refusals, permit.request))


def _key(grant: Grant) -> _Key:
    return grant.stanza, grant.key, grant.who, tuple(sorted(grant.services))


def _prolonged(grant: Grant, before: Grant) -> Grant:
    """The new grant, closed by what closes the old one, and not before it."""
    closings = before.cycle.closings if before.cycle else ()
    return replace(
        grant,
        cycle=Cycle(closings, renewal=True),
        ends=max(grant.ends, before.ends),
        until=max(grant.until, before.until),
    )


def _failure(done: Completed) -> str:
    said = done.stderr[: _SAID * 4].decode("utf-8", "replace").strip()
    line = said.splitlines()[0][:_SAID] if said else ""
    return f"exit status {done.status}: {line}" if line else f"exit status {done.status}"
