"""A running knock daemon: start, knocks, signals, reload, stop.

In here: the order of these. Not in here: which knocks count (recognise.doors), what
doors lead to (openings), where lines go (teller), the command line (server).

Source: knockd, sections 1, 2 and 5. Differences: a reload that fails keeps the old
doors; an interface that vanishes ends the daemon with status 1; addresses that an
interface gets later count.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from watchword.dialects.knockd import conf
from watchword.dialects.knockd.daemon_options import INTERFACE, DaemonOptions
from watchword.errors import HostError, OperatorError
from watchword.model.door_events import (
    ListeningOn,
    LogReopened,
    Remark,
    Rereading,
    ShuttingDown,
    Trouble,
)
from watchword.model.knocking import EVERY_INTERFACE, Knocking, KnockSettings
from watchword.ports import Clock
from watchword.service.knock.listener import Duties, Listener
from watchword.service.knock.loading import load
from watchword.service.knock.one_time_doors import used_up
from watchword.service.knock.openings import Openings
from watchword.service.knock.teller import Teller

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class KnockDaemon:
    """One daemon from its start to its end."""

    def __init__(
        self,
        options: DaemonOptions,
        knocking: Knocking,
        teller: Teller,
        clock: Clock,
        reopen: Callable[[KnockSettings], str],
        *,
        awaiting: Callable[[Sequence[str]], None] = lambda what: None,
    ) -> None:
        """``reopen`` opens the log anew, as settings say, and returns the path of its file;
        ``awaiting`` is told where no knock can be heard now, each time that this changes."""
        self._options = options
        self._knocking = knocking
        self._teller = teller
        self._tell = teller.tell
        self._clock = clock
        self._reopen = reopen
        self._awaiting = awaiting
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._openings = Openings(self._tell, clock)
        self._listening: tuple[str, ...] = ()
        """Interfaces, since the start."""
        self._listener: Listener

    async def run(self, ready: Callable[[], None]) -> int:
        """Serve until a signal; ``ready`` is called once knocks are heard. The exit status.

        Raises OperatorError or HostError: it could not be started.
        """
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.add_signal_handler(each, self._signals.put_nowait, each)
        self._listening = self.interfaces
        self._listener = self._made()
        try:
            await self._take_up(self._knocking)
        except (HostError, OperatorError):
            self._listener.close()
            await self._openings.aclose()
            raise
        ready()
        self._announce()
        listening = loop.create_task(self._listener.listen())
        writing = loop.create_task(self._teller.write_forever())
        try:
            return await self._serve(listening)
        finally:
            await self._stop(listening, writing)

    def _made(self) -> Listener:
        """What listens; nothing yet. Raises HostError."""
        duties = Duties(
            self._tell,
            self._openings.sesame.open,
            lambda door: used_up(door, door.one_time or "", self._tell),
            self._awaiting,
        )
        return Listener(
            self._listening,
            duties,
            self._clock,
            only_ipv4=self._options.only_ipv4,
            debugging=self._teller.debugging,
        )

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Those that are listened on, as they were named."""
        if self._options.interface:
            return conf.interfaces(self._options.interface)
        return self._knocking.settings.interfaces or (INTERFACE,)

    def _where_we_listen(self, knocking: Knocking) -> Knocking:
        """The same for the kernel, which follows some doors itself."""
        firewall = knocking.settings.firewall
        if not firewall.doors:
            return knocking
        named = () if EVERY_INTERFACE in self._listening else self._listening
        versions = (4,) if self._options.only_ipv4 else (4, 6)
        firewall = replace(firewall, door_interfaces=named, door_versions=versions)
        return replace(knocking, settings=replace(knocking.settings, firewall=firewall))

    async def _take_up(self, knocking: Knocking) -> None:
        """Begin to follow these doors. Raises HostError: what they need cannot be had."""
        knocking = self._where_we_listen(knocking)
        await self._openings.take_up(knocking)
        self._knocking = knocking
        self._listener.take_up(knocking.doors)
        for complaint in knocking.complaints:
            self._tell(Remark(str(complaint)))

    def _announce(self) -> None:
        self._tell(ListeningOn(",".join(self.interfaces)))
        if self._teller.debugging:
            self._teller.say_all(f"local IP: {each}" for each in self._listener.local)

    async def _serve(self, listening: asyncio.Task[None]) -> int:
        """Until a signal ends it, or the interface is gone; the exit status."""
        while True:
            signalled = asyncio.ensure_future(self._signals.get())
            loops = self._openings.loops
            await asyncio.wait([signalled, listening, *loops], return_when=asyncio.FIRST_COMPLETED)
            if signalled.done():
                if signalled.result() is not signal.SIGHUP:
                    return int(signalled.result())
                await self._reload()
                continue
            signalled.cancel()
            for task in (listening, *loops):
                if task.done():
                    return self._failed(task)

    def _failed(self, task: asyncio.Task[None]) -> int:
        """What a task ended of: a machine that refuses is told, a bug is let through."""
        try:
            task.result()
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))
        return 1

    async def _reload(self) -> None:
        path = self._options.config
        self._tell(Rereading(path))
        before = self._knocking
        try:
            fresh = await asyncio.to_thread(load, path)
            await self._take_up(fresh)
        except OperatorError as error:
            for complaint in error.complaints:
                self._tell(Trouble(complaint.message, complaint.hint))
            self._tell(Remark("nothing was changed: the doors of before go on"))
            return
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))
            self._tell(Remark("nothing was changed: the doors of before go on"))
            return
        if fresh.settings.interfaces != before.settings.interfaces:
            self._tell(Remark("Interface was changed; that is taken up at the next start only"))
        self._tell(LogReopened(self._reopen(fresh.settings)))

    async def _stop(self, listening: asyncio.Task[None], writing: asyncio.Task[None]) -> None:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await self._openings.finish(at_once=self._knocking.settings.close_at_exit)
        self._listener.close()
        self._tell(ShuttingDown())
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        self._teller.write_rest()
