"""Keeps what a running daemon is found by where people look for it: PID file, control socket.

In here: hearing that one of them or their folder was removed, and making it again.
Not in here: the files themselves (process, control), the first time (server, desk).

Packets and grants need neither of them. ``fwknopd -S``, ``-K`` and ``-R`` and ``watchword`` do.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final

from watchword.edges.vanishing import Vanishing
from watchword.errors import Complaint, HostError
from watchword.model.daemon_events import Complained, HostTrouble, RunDirectory
from watchword.ports import Reporter
from watchword.service.daemon.control import Control
from watchword.service.daemon.process import PidFile

_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)  # seconds between tries, the last one again and again


class RunFiles:
    """From the moment at which the control socket is made."""

    def __init__(self, run_dir: Path, lock: PidFile, reporter: Reporter) -> None:
        self._run_dir = run_dir
        self._lock = lock
        self._reporter = reporter
        self._control: Control | None = None
        self._keeping: asyncio.Task[None] | None = None

    def take(self, control: Control) -> Control:
        """Look after this one as well, on the loop that runs; returns it."""
        self._control = control
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep())
        return control

    async def _keep(self) -> None:
        try:
            with closing(Vanishing()) as news:
                await self._follow(news)
        except HostError as error:
            self._reporter.report(HostTrouble("run directory", str(error), error.hint))

    async def _follow(self, news: Vanishing) -> None:
        """Raises HostError: it cannot be followed."""
        loop, stirred = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(news.descriptor, stirred.set)
        tries = 0
        try:
            while True:
                news.watch({self._run_dir, self._lock.path.parent})
                tries = 0 if await self._is_whole(again=tries > 0) else tries + 1
                pause = _PAUSES[min(tries, len(_PAUSES)) - 1] if tries else None
                try:
                    async with asyncio.timeout(pause):
                        await stirred.wait()
                except TimeoutError:
                    continue
                stirred.clear()
                news.hear()
        finally:
            loop.remove_reader(news.descriptor)

    async def _is_whole(self, *, again: bool) -> bool:
        """Make what is gone; whether everything is there. ``again``: trouble was told before."""
        gone = [str(path) for path in self._gone()]
        if not gone:
            return True
        try:
            await self._make()
        except HostError as error:
            if not again:
                hint = error.hint or "a restart makes it again; packets and grants do not need it"
                self._reporter.report(HostTrouble("run directory", str(error), hint))
            return False
        text = f"somebody removed {' and '.join(gone)}, and it was made again"
        self._reporter.report(Complained(Complaint(text, fatal=False)))
        return not self._gone()

    def _gone(self) -> list[Path]:
        control = self._control
        lost = [] if self._lock.intact() else [self._lock.path]
        return lost if control is None or control.intact() else [*lost, control.path]

    async def _make(self) -> None:
        """Raises HostError."""
        if not self._run_dir.is_dir():
            self._reporter.report(RunDirectory(str(self._run_dir), made=False))
        if not self._lock.intact():
            self._lock.renew()
        if self._control is not None and not self._control.intact():
            await self._control.renew()
