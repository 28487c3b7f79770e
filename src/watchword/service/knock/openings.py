"""What the doors of knockd need: memory, a firewall, a control socket; each once some door does.

In here: when they come to be, and the end of it all.
Not in here: what an open door leads to (sesame), commands (runs), grants (managed), who may ask
about them (answers).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchword.edges import children
from watchword.edges.clock import boot_id
from watchword.errors import HostError
from watchword.model.door_events import DoorEvent
from watchword.model.doors import OpenServices, RunCommands
from watchword.model.knocking import Knocking
from watchword.ports import Clock
from watchword.service.daemon.process import PidFile
from watchword.service.knock.runs import Errand, Runs
from watchword.service.knock.sesame import Sesame

if TYPE_CHECKING:  # half of the start, and many daemons need none of it
    from watchword.edges.replay.sqlite import SqliteStore
    from watchword.service.daemon.control import Control
    from watchword.service.knock.managed import ManagedDoors

PATIENCE: Final = 20.0
"""Seconds that the end waits for commands; a supervisor waits 90."""
LOCK: Final = "knockd.lock"
"""In the state directory."""


async def _run(errand: Errand) -> int:
    return await children.run(errand.argv)


class Openings:
    """See the module. What is needed only by some doors is there once they are."""

    def __init__(self, tell: Callable[[DoorEvent], None], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._runs = Runs(tell, clock, _run)
        self.sesame = Sesame(self._runs, tell, clock)
        self._store: SqliteStore | None = None
        self._lock: PidFile | None = None
        self._managed: ManagedDoors | None = None
        self._control: Control | None = None

    async def take_up(self, knocking: Knocking) -> None:
        """Have what these doors need, and take up what an earlier run has left.

        Raises HostError: it cannot be had; the firewall is as it was.
        """
        folder = Path(knocking.settings.state_dir)
        if self._store is None and (_needs_memory(knocking) or folder.exists()):
            await self._open_memory(folder)
        if self._managed is None and self._store is not None and knocking.settings.firewall.needed:
            from watchword.service.knock.managed import ManagedDoors  # noqa: PLC0415  (see above)

            self._managed = ManagedDoors(self._store, self._tell, self._clock)
        if self._managed is not None:
            await self._managed.take_up(knocking.settings.firewall)
            self.sesame.grants = self._managed.grants
        if self._control is None and self._store is not None:
            from watchword.service.knock.answers import DoorAnswers  # noqa: PLC0415  (see above)

            answers = DoorAnswers(lambda: self._managed, self._runs, self._clock, self._tell)
            self._control = await answers.open(Path(knocking.settings.run_dir))

    async def _open_memory(self, folder: Path) -> None:
        from watchword.edges.replay.sqlite import SqliteStore  # noqa: PLC0415  (see above)

        self._store = await asyncio.to_thread(SqliteStore.open, folder, boot_id=boot_id())
        hint = f"it uses the state directory {folder} as well: end it, or set StateDir"
        self._lock = PidFile(folder / LOCK, hint, program="knockd")
        self._runs.journal = self._store.journal
        self.sesame.keys = self._store.keys
        unfinished = await self._store.journal.unfinished(self._clock.now())
        self._runs.resume([each for each in unfinished if each.cycle is not None])

    @property
    def loops(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that run until the end; one that ends before failed."""
        return self._managed.loops if self._managed is not None else frozenset()

    async def finish(self, *, at_once: bool) -> None:
        """End: wait for what runs, and for what is closed soon; leave the rest to the next start.

        ``at_once``: everything that waits to be closed is closed now.
        """
        await self.sesame.finish(PATIENCE)
        await self._runs.finish(PATIENCE, at_once=at_once)
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of everything. What is open stays open for its time."""
        if self._control is not None:
            await self._control.close()
        if self._managed is not None:
            await self._managed.aclose()
        if self._store is not None:
            with contextlib.suppress(HostError):
                await self._store.aclose()
        if self._lock is not None:
            self._lock.close()


def _needs_memory(knocking: Knocking) -> bool:
    """Whether some door leads to something that is closed later, or may be opened once only."""
    return any(
        isinstance(each.action, OpenServices)
        or each.rotation is not None
        or (isinstance(each.action, RunCommands) and each.action.stops)
        for each in knocking.doors
    )
