"""Writes down what was opened and what has ended, behind the back of whoever did it.

In here: one entry after the other, and what is told where that fails.
Not in here: what is written (enforcer), where to (edges.replay.journal).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble
from watchword.model.moments import Moment
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import Change, Changed, GrantEnded
from watchword.ports import Clock, Journal, Reporter


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

    async def unfinished(self, now: Moment) -> Sequence[Grant]:
        """Grants without an end. Raises HostError."""
        return await self._journal.unfinished(now)

    def granted(self, grants: Sequence[Grant]) -> None:
        self._note(self._journal.granted(grants))

    def ended(self, over: Sequence[tuple[Grant, Ending]]) -> None:
        """Told as well."""
        if not over:
            return
        wall = self._clock.now().wall
        self._note(self._journal.ended([(grant.id, ending) for grant, ending in over], wall))
        for grant, ending in over:
            self._reporter.report(GrantEnded(grant, ending, wall))
        self._freed()

    def changed(self, change: Change) -> None:
        """What somebody had us do; told as well."""
        self._note(self._journal.changed(change))
        self._reporter.report(Changed(change))

    def _note(self, writing: Awaitable[None]) -> None:
        """Have something written down after all that is being written down already."""
        self._writing = asyncio.ensure_future(self._write(self._writing, writing))

    async def _write(self, before: Awaitable[None] | None, writing: Awaitable[None]) -> None:
        """A journal that cannot be written to is trouble, and does not undo what holds."""
        if before is not None:
            await before
        try:
            await writing
        except HostError as error:
            self._reporter.report(HostTrouble("journal", str(error), error.hint))

    async def written(self) -> None:
        """Wait until everything is in the journal, or was reported as trouble."""
        if self._writing is not None:
            await self._writing
