"""What becomes of a completed sequence: commands, or services in the firewall.

In here: which of them it is, that a sequence of a rotation opens once, how many are opened at once.
Not in here: commands (runs), grants (door_grants), whose memory and firewall that is (openings for
knockd, service.daemon.doors for fwknopd).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.door_events import DoorEvent, Remark, SesameOpened, Trouble
from watchword.model.doors import CloseServices, OpenServices, Progress, RunCommands
from watchword.model.requests import Claim
from watchword.ports import Clock, ReplayStore
from watchword.service.knock.limits import Limit
from watchword.service.knock.rotation import claim_on
from watchword.service.knock.runs import Runs

if TYPE_CHECKING:  # half of the start of knockd, and many need none of it
    from watchword.service.knock.door_grants import DoorGrants

MOST_AT_ONCE: Final = 256
"""Doors that are being opened."""


class Sesame:
    """See the module. ``keys`` and ``grants`` are there once some door needs them."""

    def __init__(self, runs: Runs, tell: Callable[[DoorEvent], None], clock: Clock) -> None:
        self.keys: ReplayStore | None = None
        self.grants: DoorGrants | None = None
        self.opened = 0
        """How often a sequence was completed."""
        self._runs = runs
        self._tell = tell
        self._clock = clock
        self._room = Limit(MOST_AT_ONCE, "openings", tell, clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, progress: Progress, destination: Address | None) -> None:
        """Do what the door leads to, for whoever completed its sequence. Does not wait.

        ``destination``: where the last knock was sent to; None: nobody knows.
        """
        self.opened += 1
        if progress.window is not None:
            self._begin(self._open_once(progress, destination))
        else:
            self._sesame(progress, destination)

    async def _open_once(self, progress: Progress, destination: Address | None) -> None:
        """Open, if this sequence of a rotation never opened the door, in an earlier run either."""
        door, source = progress.door, progress.source
        if self.keys is None or progress.window is None or door.rotation is None:
            return
        now = self._clock.now().wall
        claim = claim_on(door.rotation, progress.window, str(source), now)
        try:
            [answer] = await self.keys.claim([claim])
        except HostError as error:
            self._tell(Trouble(f"{door.name}: not opened for {source}: {error}", error.hint))
            return
        if answer is Claim.FIRST:
            self._sesame(progress, destination)
        else:
            said = f"{door.name}: not opened for {source}: this sequence was used before"
            self._tell(Remark(said))

    def _sesame(self, progress: Progress, destination: Address | None) -> None:
        door, source = progress.door, progress.source
        self._tell(SesameOpened(door, source))
        match door.action:
            case RunCommands():
                self._runs.open(door, door.action, source)
            case OpenServices() if self.grants is not None:
                self._begin(self.grants.open(door, door.action, source, destination))
            case CloseServices() if self.grants is not None:
                self._begin(self.grants.close(door, door.action, source))
            case _:
                pass  # without a firewall

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._room.admits(len(self._tasks)):
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, patience: float) -> None:
        """Wait for what is being opened, so many seconds at the most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
