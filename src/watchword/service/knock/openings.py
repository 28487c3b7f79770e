"""What open doors lead to: commands, services in the firewall, and what is remembered of both.

In here: which of them it is, the memory that they share, the end of it all.
Not in here: commands (runs), grants (managed), who may ask about them (answers).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from watchword.edges import children
from watchword.edges.clock import boot_id
from watchword.errors import HostError
from watchword.model.door_events import DoorEvent, Remark, SesameOpened, Trouble
from watchword.model.doors import CloseServices, OpenServices, Progress, RunCommands
from watchword.model.knocking import Knocking
from watchword.model.requests import Claim
from watchword.ports import Clock
from watchword.service.daemon.process import PidFile
from watchword.service.knock.limits import Limit
from watchword.service.knock.rotation import claim_on
from watchword.service.knock.runs import Runs

if TYPE_CHECKING:  # half of the start, and many daemons need none of it
    from watchword.edges.replay.sqlite import SqliteStore
    from watchword.service.daemon.control import Control
    from watchword.service.knock.managed import ManagedDoors

PATIENCE: Final = 20.0
"""Seconds that the end waits for commands; a supervisor waits 90."""
LOCK: Final = "knockd.lock"
"""In the state directory."""
MOST_AT_ONCE: Final = 256
"""Doors that are being opened."""


class Openings:
    """See the module. What is needed only by some doors is there once they are."""

    def __init__(self, tell: Callable[[DoorEvent], None], clock: Clock) -> None:
        self._tell = tell
        self._clock = clock
        self._runs = Runs(tell, clock, children.run)
        self._room = Limit(MOST_AT_ONCE, "openings", tell, clock)
        self._tasks: set[asyncio.Task[None]] = set()
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
        unfinished = await self._store.journal.unfinished(self._clock.now())
        self._runs.resume([each for each in unfinished if each.cycle is not None])

    @property
    def loops(self) -> frozenset[asyncio.Task[None]]:
        """Tasks that run until the end; one that ends before failed."""
        return self._managed.loops if self._managed is not None else frozenset()

    def open(self, progress: Progress) -> None:
        """Do what the door leads to, for whoever completed its sequence. Does not wait."""
        if progress.window is not None:
            self._begin(self._open_once(progress))
        else:
            self._sesame(progress)

    async def _open_once(self, progress: Progress) -> None:
        """Open, if this sequence of a rotation never opened the door, in an earlier run either."""
        door, source = progress.door, progress.source
        if self._store is None or progress.window is None or door.rotation is None:
            return
        now = self._clock.now().wall
        claim = claim_on(door.rotation, progress.window, str(source), now)
        try:
            [answer] = await self._store.keys.claim([claim])
        except HostError as error:
            self._tell(Trouble(f"{door.name}: not opened for {source}: {error}", error.hint))
            return
        if answer is Claim.FIRST:
            self._sesame(progress)
        else:
            said = f"{door.name}: not opened for {source}: this sequence was used before"
            self._tell(Remark(said))

    def _sesame(self, progress: Progress) -> None:
        door, source = progress.door, progress.source
        self._tell(SesameOpened(door, source))
        match door.action:
            case RunCommands():
                self._runs.open(door, door.action, source)
            case OpenServices():
                if self._managed is not None:
                    self._begin(self._managed.open(door, door.action, source))
            case CloseServices():
                if self._managed is not None:
                    self._begin(self._managed.close(door, door.action, source))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._room.admits(len(self._tasks)):
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, *, at_once: bool) -> None:
        """End: wait for what runs, and for what is closed soon; leave the rest to the next start.

        ``at_once``: everything that waits to be closed is closed now.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)
        left = await self._runs.finish(PATIENCE, at_once=at_once)
        if left:
            self._tell(
                Remark(f"{left} stop commands wait for their time: the next start runs them")
            )
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
