"""Runs the commands of doors: what opens, and after its time what closes.

In here: the order of the two and what is told of them, keeping what has to be
closed in the journal, taking it up again after a restart.
Not in here: which command (dialects.knockd), starting programs (edges.children),
when what failed is tried again (service.daemon.unclosed).

What closes is written down before anything opens, and struck out after it ran and said
that all was well: a crash in between runs it again, and so do failures, for a
while. Source: knockd, section 5; differences: section 2 and 10, rows 54 to 57 -
every close is kept, whatever happens to the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from watchword.edges.randomness import key_bytes
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.commands import DEFAULT_SECONDS, Closing, Cycle
from watchword.model.door_events import (
    CommandDue,
    CommandFailed,
    CommandRun,
    CommandTooLong,
    DoorEvent,
    Remark,
    Trouble,
)
from watchword.model.doors import Door, RunCommands
from watchword.model.openings import DOOR, Ending, Grant
from watchword.ports import Clock, Journal, NotOwedError, NotStartedError
from watchword.service.daemon.unclosed import PAUSES, Unclosed, Waiting
from watchword.service.knock.limits import Limit
from watchword.service.knock.spelling import Spelled, TooLongError, spelled

AT_ONCE: Final = 256
"""Commands that run, of those that open and of those that close; more wait for their turn."""
RETRIED: Final = 1000
"""Closings that wait for another try; more are left to the next start."""
MOST: Final = 10_000
"""Openings whose commands run, or wait for their turn or their time."""
_NAME: Final = 5
"""Random bytes in the name of what the journal keeps."""


class Errand(NamedTuple):
    """One command that is to be run."""

    door: int
    """The number of the door, as it is now if it opens."""
    who: Address
    closes: bool
    argv: tuple[str, ...]
    policy: int = 0
    """Which one has this door under that number: counted from the start."""


class Runs:
    """Commands under way, and those that wait for their time."""

    def __init__(
        self,
        tell: Callable[[DoorEvent], None],
        clock: Clock,
        run: Callable[[Errand], Awaitable[int]],
        pauses: Sequence[float] = PAUSES,
        *,
        at_once: int | None = None,
        numbered: bool = True,
    ) -> None:
        """``run`` runs a program to its end and returns its status; it may raise HostError.
        ``at_once``: how many commands of each kind, if not AT_ONCE. ``numbered``: grants have the
        door's number as that of a stanza."""
        self.journal: Journal | None = None
        """Where closings are kept; None: no door has any."""
        self.policy = 0
        """As ``Errand.policy``, of what is opened from now on."""
        self._tell = tell
        self._clock = clock
        self._run_program = run
        self._numbered = numbered
        self._opening = asyncio.Semaphore(at_once or AT_ONCE)
        self._closing = asyncio.Semaphore(at_once or AT_ONCE)
        """Places of their own: whoever opens a lot, and slowly, holds up no end."""
        self._failed = Waiting(self._close_in_time, pauses)
        """Those whose closing failed, and is tried again."""
        self._failed.in_use = self._open_again
        self._room = Limit(MOST, "openings by commands", tell, clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False
        """What opens from now on is closed at once."""
        self._waiting: dict[str, tuple[Grant, asyncio.Event]] = {}
        """What is closed later, or right now, and what has it closed at once."""

    def open(self, door: Door, action: RunCommands, source: Address) -> None:
        """Have the commands of a door run for a caller. Does not wait."""
        try:
            opening, closing = spelled(action, source)
        except TooLongError as error:
            self._tell(CommandTooLong(str(error)))
            return
        if opening is not None and self._room.admits(len(self._tasks) + self._failed.trying):
            errand = Errand(door.number, source, False, opening.argv, self.policy)
            seconds = action.seconds or 0
            self._begin(self._carry_out(door, errand, opening.text, closing, seconds))

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(
        self, door: Door, errand: Errand, text: str, closing: Spelled | None, seconds: int
    ) -> None:
        source = errand.who
        grant = None
        if closing is not None:
            grant = self._kept(door, closing, seconds, source)
            if not await self._note(grant):
                return
        began = self._clock.now().steady
        try:
            await self._run(door.name, text, errand)
        except NotStartedError as error:
            self._tell(Trouble(f"{door.name}: not opened for {source}: {error}", error.hint))
            if grant is not None:
                await self._strike_out(grant)
            return
        if grant is not None:
            took = self._clock.now().steady - began
            grant = replace(grant, ends=grant.ends + took, until=grant.until + took)
            self._close_in_time(Unclosed(grant, Ending.EXPIRED))

    def _kept(self, door: Door, closing: Spelled, seconds: int, source: Address) -> Grant:
        now = self._clock.now()
        return Grant(
            id=key_bytes(_NAME).hex(),
            stanza=door.number if self._numbered else 0,
            user=door.name,
            source=source,
            who=source,
            services=(),
            destination=None,
            began=now.wall,
            ends=now.wall + seconds,
            until=round(now.steady + seconds, 3),
            key=f"{DOOR}{door.name}",
            cycle=Cycle((closing.closing(DEFAULT_SECONDS),)),
        )

    async def _note(self, grant: Grant) -> bool:
        """Whether what closes is written down; if not, nothing is opened."""
        try:
            if self.journal is not None:
                await self.journal.granted([grant])
        except HostError as error:
            said = f"{grant.user}: not opened for {grant.who}, since its end cannot be noted"
            self._tell(Trouble(f"{said}: {error}", error.hint))
            return False
        return True

    async def _run(self, door: str, text: str, errand: Errand) -> bool:
        """Whether it said that all was well. Raises NotStartedError."""
        async with self._closing if errand.closes else self._opening:
            self._tell(CommandRun(door, text))
            try:
                status = await self._run_program(errand)
            except NotStartedError:
                raise
            except HostError as error:
                self._tell(Trouble(f"{door}: {error}", error.hint))
                return False
        if status:
            self._tell(CommandFailed(door, max(status, 0)))
        return not status

    def _close_in_time(self, each: Unclosed) -> None:
        """Run what closes when the time of its grant is up, or now if that failed before."""
        at_once = asyncio.Event()
        if self._ending:
            at_once.set()
        self._waiting[each.grant.id] = (each.grant, at_once)
        self._begin(self._close(each, at_once))

    async def _close(self, each: Unclosed, at_once: asyncio.Event) -> None:
        try:
            if not each.tries:
                await self._await_end(each.grant, at_once)
            at_once.clear()
            if await self._closed(each, at_once):
                await self._strike_out(each.grant)
        finally:
            del self._waiting[each.grant.id]

    async def _await_end(self, grant: Grant, at_once: asyncio.Event) -> None:
        left = grant.until - self._clock.now().steady
        if left > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await at_once.wait()
        self._tell(CommandDue(grant.user, grant.who))

    async def _closed(self, each: Unclosed, at_once: asyncio.Event) -> bool:
        """Run what closes; False: that failed, and is left to another try or the next start."""
        grant = each.grant
        closings = grant.cycle.closings if grant.cycle else ()
        left = [one for one in closings if not await self._run_to_close(grant, one)]
        if not left:
            return True
        each = each.failed(replace(grant, cycle=Cycle(tuple(left))), "")
        if self._failed.pause(each.tries) is None or self._failed.trying >= RETRIED:
            said = f"{grant.user}: not closed for {grant.who}, since the command for it fails"
            self._tell(Trouble(said, "close it by hand; the next start tries it again"))
            return False
        if at_once.is_set():  # somebody asked for it meanwhile
            at_once.clear()
            return await self._closed(each, at_once)
        self._failed.add(each)
        return False

    async def _run_to_close(self, grant: Grant, closing: Closing) -> bool:
        errand = Errand(grant.stanza, grant.who, closes=True, argv=closing.argv)
        try:
            return await self._run(grant.user, closing.text, errand)
        except NotOwedError as error:  # whoever runs it never opened it, or has closed it
            self._tell(Trouble(f"{grant.user}: {error}", error.hint))
            return True
        except NotStartedError as error:
            self._tell(Trouble(f"{grant.user}: {error}", error.hint))
            return False

    def _open_again(self, grant: Grant) -> bool:
        """Whether the same caller has the same door open again: that has an end of its own."""
        return any(
            (each.key, each.who) == (grant.key, grant.who) for each, _ in self._waiting.values()
        )

    async def _strike_out(self, grant: Grant) -> None:
        try:
            if self.journal is not None:
                ended = [(grant.id, Ending.EXPIRED)]
                await self.journal.ended(ended, self._clock.now().wall)
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))

    def resume(self, grants: Sequence[Grant]) -> None:
        """Take up what an earlier run has left to close; what is due is closed at once."""
        for grant in grants:
            if grant.cycle is not None and grant.door:
                self._close_in_time(Unclosed(grant, Ending.EXPIRED))

    @property
    def grants(self) -> list[Grant]:
        """What was opened, and is closed when its time comes."""
        failed = (each.grant for each in self._failed)
        return [*(grant for grant, _ in self._waiting.values()), *failed]

    def end(self, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """Close what is wanted to be closed now. Does not wait for the commands."""
        over = []
        for grant, at_once in self._waiting.values():
            if wanted(grant):
                at_once.set()
                over.append(grant)
        for each in self._failed.take(wanted):
            self._close_in_time(each)
            over.append(each.grant)
        return over

    @property
    def waiting(self) -> int:
        """How many closings wait for their time."""
        return len(self._waiting) + self._failed.trying

    async def finish(self, patience: float, *, at_once: bool) -> int:
        """Wait for what runs, and for what is closed within ``patience`` seconds.

        ``at_once``: everything is closed now. Returns how many closings are
        left to the next start.
        """
        limit = self._clock.now().steady + patience
        if at_once:
            self._ending = True
            self.end(lambda grant: True)  # what failed is tried once more
        while (left := limit - self._clock.now().steady) > 0:
            later = [] if at_once else [g for g, _ in self._waiting.values() if g.until > limit]
            if len(self._tasks) <= len(later):
                break
            await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        kept = self.waiting
        self._failed.take(lambda grant: True)
        for task in self._tasks:
            task.cancel()
        if kept:
            said = f"{kept} stop commands wait for their time: the next start runs them"
            self._tell(Remark(said))
        return kept
