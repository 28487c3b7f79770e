"""Has callers' commands run beside the packets: a bounded number, each to its end.

In here: how many at once, and what is told of each.
Not in here: whether a command may be run (grant.decide), running it (hand).

Nothing here waits in the way of a packet. What finds no room is refused at
once: a command that ran minutes after it was asked for would surprise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from watchword.errors import HostError
from watchword.grant.actions import not_allowed
from watchword.grant.permits import CommandPermit
from watchword.model.commands import AT_ONCE, Ran
from watchword.model.outcomes import CommandStarted, Judged, Refusal
from watchword.model.reasons import Reason
from watchword.ports import Clock, Completed, NotStartedError, Reporter
from watchword.service.daemon.cases import Case
from watchword.service.daemon.figures import Figures
from watchword.service.daemon.hand import (
    Blocked,
    BlockedError,
    Hand,
    NotAllowedError,
    UncheckedError,
    complaint,
    nothing_blocked,
)

Refused = Callable[[Case, Refusal], None]
"""Told that a command was not run, so that the next stanza may be asked."""


class Commands:
    """Every command under way, across reloads."""

    def __init__(
        self, reporter: Reporter, clock: Clock, figures: Figures, *, at_once: int = AT_ONCE
    ) -> None:
        self.at_once = at_once
        self.blocked: Blocked = nothing_blocked
        """Asked when a command's turn has come."""
        self._reporter = reporter
        self._clock = clock
        self._figures = figures
        self._threads = ThreadPoolExecutor(thread_name_prefix="command", max_workers=1024)
        """They are made as they are needed; ``at_once`` is what bounds them."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._unchecked: set[asyncio.Event] = set()

    @property
    def running(self) -> int:
        return len(self._tasks)

    def begin(self, hand: Hand, case: Case, permit: CommandPermit, refused: Refused) -> None:
        """Take a command on, or refuse it. Does not wait."""
        if len(self._tasks) >= self.at_once:
            detail = str(self.at_once)
            refused(case, Refusal(Reason.TOO_MANY_COMMANDS, (permit.request.stanza,), detail))
            return
        unchecked = asyncio.Event()
        self._unchecked.add(
            unchecked
        )  # here, not in the task: ``checked`` may be asked before it runs
        work = self._see_to(hand, case, permit, refused, unchecked)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def checked(self) -> None:
        """Wait until each command that was taken on by now has begun or been refused."""
        for each in list(self._unchecked):
            await each.wait()

    async def ended(self) -> None:
        """Wait until nothing runs any more. The runner's own end brings that about."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        self._threads.shutdown(wait=False)

    async def _see_to(
        self,
        hand: Hand,
        case: Case,
        permit: CommandPermit,
        refused: Refused,
        unchecked: asyncio.Event,
    ) -> None:
        stanza = permit.request.stanza
        began = time.monotonic()
        try:
            completed = await self._run(hand, case, permit, unchecked)
        except NotAllowedError as error:
            refused(case, not_allowed(stanza, str(error)))
        except UncheckedError as error:
            refused(case, Refusal(Reason.COMMAND_UNCHECKED, (stanza,), str(error)))
        except BlockedError:
            refused(case, Refusal(Reason.KEY_BLOCKED, (stanza,)))
        except NotStartedError as error:
            self._not_started(case, permit, error)
        except Exception as error:  # whatever it is, it is told
            why = str(error) or type(error).__name__
            self._tell(case, permit, Ran(None, time.monotonic() - began, why))
        else:
            took = time.monotonic() - began
            self._tell(case, permit, Ran(completed.status, took, said=complaint(completed)))
        finally:
            self._unchecked.discard(unchecked)
            unchecked.set()

    async def _run(
        self, hand: Hand, case: Case, permit: CommandPermit, unchecked: asyncio.Event
    ) -> Completed:
        loop = asyncio.get_running_loop()
        request, command = permit.request, permit.command

        def begun() -> None:
            started = CommandStarted(request, command, permit.job.account, tuple(case.refusals))
            self._reporter.report(started)
            self._unchecked.discard(unchecked)
            unchecked.set()

        def run() -> Completed:
            if self.blocked(permit.key):
                raise BlockedError
            return hand.command(request.stanza, command, lambda: _soon(loop, begun))

        return await loop.run_in_executor(self._threads, run)

    def _not_started(self, case: Case, permit: CommandPermit, error: HostError) -> None:
        refusal = Refusal(Reason.COMMAND_NOT_STARTED, (permit.request.stanza,), str(error))
        self._figures.verdicts[refusal.reason.word] += 1
        at = self._clock.now().wall
        refusals = (*case.refusals, refusal)
        self._reporter.report(Judged(case.packet, at, refusals, permit.request))

    def _tell(self, case: Case, permit: CommandPermit, ran: Ran) -> None:
        self._figures.verdicts["ran"] += 1
        at = self._clock.now().wall
        refusals = tuple(case.refusals)
        self._reporter.report(Judged(case.packet, at, refusals, permit.request, ran=ran))


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(call)
