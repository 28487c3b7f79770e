"""Holds what the operator's own commands have opened, and sees to it that it is closed.

In here: the closing of what has come to its end, after a crash as well; moving an end.
Not in here: opening (opener), what the commands are (grant.cycles), how closings
wait for each other (closer).

A close that nobody remembers is an open port for ever: the closing commands are run
at their time whatever became of the opening ones. They are not run earlier either where
one of these failed, because the same caller may be in by an earlier packet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from watchword.edges.replay.memory import MemoryJournal
from watchword.errors import OperatorError
from watchword.grant.ledger import Ledger
from watchword.grant.lifecycle import State, Turn
from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.commands import Cycle
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Restored
from watchword.model.services import Service
from watchword.ports import Clock, Journal, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.closer import Closer
from watchword.service.daemon.extending import check_extension, extended, not_in_force
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import (
    Blocked,
    Hand,
    close,
    command_programs,
    nothing_blocked,
)
from watchword.service.daemon.opener import Opener
from watchword.service.daemon.unclosed import Waiting

_Key: TypeAlias = tuple[int, str, Address, tuple[Service, ...]]
"""What makes two requests one: stanza, key, caller, services."""


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
        self._stirred = asyncio.Event()
        self._moving = asyncio.Lock()
        """One end is moved at a time: what is written down is worked out from what is in force."""
        self.taken_elsewhere: Callable[[str], bool] = lambda name: False
        """As ``Ledger.taken_elsewhere``."""
        self.blocked: Blocked = nothing_blocked
        """Asked when the turn of a packet, or of one of its commands, has come."""
        self.prolonged: Callable[[Grant], None] = lambda grant: None
        """Told of a grant that will be closed later than was said."""
        self._live: dict[_Key, str] = {}
        """The latest grant of each kind, for stanzas that renew."""
        closer.waiting.in_use = lambda grant: _key(grant) in self._live
        self._opener = Opener(
            journal, reporter, clock, figures,
            taken=lambda name: self.has(name) or self.taken_elsewhere(name),
            blocked=lambda key: self.blocked(key),  # noqa: PLW0108 - another one by then
            prolong=self._prolong,
            hold=self._hold,
        )  # fmt: skip

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
        return self._opener.under_way

    def has(self, name: str) -> bool:
        """Whether a grant of that name is being opened, in force, or being closed."""
        held = self.ledger.grant(name) is not None
        return held or self._opener.has(name) or self._closer.has(name)

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
        self._opener.begin(hand, case, permit)

    async def opened(self) -> None:
        """Wait until what is being opened now is open, or failed."""
        await self._opener.opened()

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
            if before.cycle is not None and not before.cycle.closings:
                raise OperatorError(
                    f"what grant {name} has open ends by itself, and nothing of ours could put "
                    "that off (CMD_CYCLE_CLOSE NONE)",
                    hint="have the caller knock again",
                )
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
        await self._opener.opened(patience)
        for grant in sorted(self.ledger.grants(), key=lambda each: each.until):
            self.ledger.withdraw(grant.id, Turn.REVOKED)
            self._closer.close(grant, Ending.REVOKED)
        await self._closer.stop(patience)
        self._opener.stop()

    async def _prolong(self, grant: Grant) -> Grant | None:
        """Have what its caller has already end with this one; what that is then. None: nothing.

        Raises HostError: the journal refused, and nothing has changed.
        """
        async with self._moving:
            name = self._live.get(_key(grant))
            before = self.ledger.grant(name) if name else None
            if before is None:
                return None
            longer = _prolonged(grant, before)
            await self._journal.granted([longer])
            if self.ledger.grant(before.id) is None:
                return None  # it ended while this was written down
            self.ledger.withdraw(before.id, Turn.REVOKED)
            self._hold(longer)
            self._closer.renewed(before)
            self.prolonged(longer)
        return longer

    def _hold(self, grant: Grant) -> None:
        """From now on it will be closed at its end."""
        self.ledger.resume(grant, State.OPEN)
        self._live[_key(grant)] = grant.id
        self._stirred.set()

    def _forget(self, grant: Grant) -> None:
        if self._live.get(_key(grant)) == grant.id:
            del self._live[_key(grant)]


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
