"""Runs the commands that close: all of them, in order, and none waits for another stanza's.

In here: a line for each stanza, what is told, and noting that it is done.
Not in here: when something has come to its end (cycles), when what failed is
tried again (unclosed).

The commands of one stanza are run one after the other, in the order of their
ends, also when one fails. One that hangs holds up its own stanza for its time
limit, and no other; one that failed waits outside the line for its next try.
The end is noted when the commands have succeeded: after a crash in between they
are run again, which is better than never.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from watchword.errors import HostError
from watchword.model.commands import Closing, Cycle
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import CycleClosing, CycleNotClosed, GrantEnded
from watchword.ports import Clock, Completed, Journal, Reporter
from watchword.service.daemon.unclosed import PAUSES, Unclosed, Waiting

AT_ONCE = 64  # stanzas whose closing commands run
Run = Callable[[Closing], Completed]


class Closer:
    """What has to be closed, in a line for each stanza."""

    def __init__(
        self,
        journal: Journal,
        run: Run,
        reporter: Reporter,
        clock: Clock,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """``run`` blocks, and is called from several threads. ``pauses``: before further tries."""
        self._journal = journal
        self._run = run
        self._reporter = reporter
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="close")
        self._lines: dict[int, deque[Unclosed]] = {}
        self.waiting = Waiting(self._line_up, pauses)
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._unended: set[str] = set()
        """Names of grants that the journal has, and whose end is not in it yet."""

    def close(self, grant: Grant, ending: Ending) -> None:
        """Run what closes this grant, after what came before it. Does not wait."""
        self._unended.add(grant.id)
        self._line_up(Unclosed(grant, ending))

    def close_at_last(self, wanted: Callable[[Grant], bool]) -> list[Grant]:
        """Try what has failed once more, whatever comes of it. Does not wait."""
        found = self.waiting.take(wanted)
        for each in found:
            self._line_up(replace(each, last=True))
        return [each.grant for each in found]

    def _line_up(self, each: Unclosed) -> None:
        stanza = each.grant.stanza
        line = self._lines.get(stanza)
        if line is not None:
            line.append(each)
            return
        self._lines[stanza] = deque([each])
        self._begin(self._work_off(stanza))

    def renewed(self, grant: Grant) -> None:
        """Note that a grant goes on as another one."""
        self._unended.add(grant.id)
        self._begin(self._note(grant, Ending.RENEWED))

    def has(self, name: str) -> bool:
        """Whether the journal still needs what it has under that name."""
        return name in self._unended

    async def closed(self) -> None:
        """Wait until nothing is left to close."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def stop(self, patience: float) -> None:
        """The same for some seconds, with one more try of what waits for one.

        What is not closed by then stays in the journal, unended.
        """
        self._stopping = True
        for each in self.waiting.take_due():
            self._line_up(each)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_off(self, stanza: int) -> None:
        line = self._lines[stanza]
        try:
            while line:
                await self._close(line.popleft())
        finally:
            del self._lines[stanza]

    async def _close(self, each: Unclosed) -> None:
        grant, why = each.grant, ""
        left: list[Closing] = []
        for closing in grant.cycle.closings if grant.cycle else ():
            self._reporter.report(CycleClosing(grant, closing.text, each.ending, each.tries))
            trouble = await self._run_one(closing)
            if trouble:
                left.append(closing)
                why = trouble
                self._tell(each, closing, trouble)
        if not left:
            await self._note(grant, each.ending)
        elif each.last:
            await self._note(grant, Ending.NOT_CLOSED)
        else:
            await self._leave(each.failed(replace(grant, cycle=Cycle(tuple(left))), why), each)

    def _tell(self, each: Unclosed, closing: Closing, why: str) -> None:
        tries = each.tries + 1
        again = None if each.last or self._stopping else self.waiting.pause(tries)
        at_start = self._stopping and not each.last
        told = CycleNotClosed(each.grant, closing.text, why, tries, again, at_start=at_start)
        self._reporter.report(told)

    async def _leave(self, each: Unclosed, before: Unclosed) -> None:
        """Keep what has failed for another try: by us, by the next start, or by a person."""
        if each.grant.cycle != before.grant.cycle:
            try:
                await self._journal.granted([each.grant])
            except HostError as error:  # then the next start runs what has succeeded, too
                self._reporter.report(HostTrouble("journal", str(error), error.hint))
        if self._stopping:
            return
        no_room = self.waiting.add(each)
        if no_room is not None:
            await self._note(no_room.grant, Ending.NOT_CLOSED)

    async def _run_one(self, closing: Closing) -> str:
        """Why it may not be closed; empty if it is."""
        loop = asyncio.get_running_loop()
        try:
            done = await loop.run_in_executor(self._threads, self._run, closing)
        except Exception as error:  # whatever it is: those that wait behind it are closed, too
            return str(error) or type(error).__name__
        said = done.stderr[:800].decode("utf-8", "replace").strip().splitlines()
        return ": ".join([f"exit status {done.status}", *said[:1]]) if done.status else ""

    async def _note(self, grant: Grant, ending: Ending) -> None:
        wall = self._clock.now().wall
        try:
            await self._journal.ended([(grant.id, ending)], wall)
        except HostError as error:
            self._reporter.report(HostTrouble("journal", str(error), error.hint))
        finally:
            self._unended.discard(grant.id)
        self._reporter.report(GrantEnded(grant, ending, wall))
