"""Writes down what was opened and what has ended, behind the back of whoever did it.

In here: one entry after the other, what is told where that fails, and trying it again: an end that
was never written down would have a grant come back with the next start.
Not in here: what is written (enforcer), where to (edges.replay.journal).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Change, Changed, GrantEnded
from watchword.ports import Clock, Journal, Reporter

PAUSE: Final = 2.0  # seconds until what could not be written down is tried again
MOST: Final = 16_384  # entries that wait for that; a later one is tried once
_Entry: TypeAlias = Callable[[], Awaitable[None]]


class Books:
    """The journal, for who does not wait for it."""

    def __init__(
        self,
        journal: Journal,
        reporter: Reporter,
        clock: Clock,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        """``freed`` is called after grants have ended."""
        self._freed = freed
        self._journal = journal
        self._reporter = reporter
        self._clock = clock
        self._writing: asyncio.Future[None] | None = None
        self._owed: deque[_Entry] = deque()
        """What is not written down yet, in its order."""
        self._again: asyncio.TimerHandle | None = None

    async def unfinished(self, now: Moment) -> Sequence[Grant]:
        """Grants without an end. Raises HostError."""
        return await self._journal.unfinished(now)

    def granted(self, grants: Sequence[Grant]) -> None:
        self._note(lambda: self._journal.granted(grants))

    def ended(self, over: Sequence[tuple[Grant, Ending]]) -> None:
        """Told as well."""
        if not over:
            return
        wall = self._clock.now().wall
        ends = [(grant.id, ending) for grant, ending in over]
        self._note(lambda: self._journal.ended(ends, wall))
        for grant, ending in over:
            self._reporter.report(GrantEnded(grant, ending, wall))
        self._freed()

    def changed(self, change: Change) -> None:
        """What somebody had us do; told as well."""
        self._note(lambda: self._journal.changed(change))
        self._reporter.report(Changed(change))

    def _note(self, entry: _Entry | None = None) -> None:
        """Have something written down after all that is being written down already."""
        self._writing = asyncio.ensure_future(self._write(self._writing, entry))

    async def _write(self, before: Awaitable[None] | None, entry: _Entry | None) -> None:
        """A journal that cannot be written to is trouble, and does not undo what holds."""
        if before is not None:
            await before
        if entry is not None:
            self._owed.append(entry)
        try:
            while self._owed:
                await self._owed[0]()
                self._owed.popleft()
        except HostError as error:
            if entry is not None:
                self._reporter.report(HostTrouble("journal", str(error), error.hint))
                if len(self._owed) > MOST:
                    self._owed.pop()
            self._try_later()

    def _try_later(self) -> None:
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(PAUSE, self._note)

    async def written(self) -> None:
        """Wait until everything is in the journal, or was reported as trouble."""
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """The same, with one more try of what was reported, and none after it."""
        if self._owed:
            self._note()
        await self.written()
        if self._again is not None:
            self._again.cancel()
