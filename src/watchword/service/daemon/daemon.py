"""A server from its start to its end: signals decide when.

In here: start, serve, reload, stop, and what ends the serving.
Not in here: each of these (start, running, reload), the process (process),
what a configuration file says (dialects).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from watchword.dialects.fwknop.translate import Configuration
from watchword.errors import HostError
from watchword.model.daemon_events import HostTrouble, LimitReached, Stopping
from watchword.ports import Clock
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.means import Means, ourselves
from watchword.service.daemon.reload import Reload
from watchword.service.daemon.running import Running
from watchword.service.daemon.start import start


class Daemon:
    """One server from its start to its end."""

    def __init__(
        self,
        configuration: Configuration,
        reconfigure: Callable[[], Configuration],
        reporter: Logbook,
        clock: Clock,
        means: Means | None = None,
    ) -> None:
        """``means``: how is done what one needs rights for; by this process, if not given."""
        self._means = means or ourselves()
        self._configuration = configuration
        self._reconfigure = reconfigure
        self._reporter = reporter
        self._clock = clock
        self._signals: asyncio.Queue[signal.Signals | None] = asyncio.Queue()
        """None: as many packets came as were to be looked at."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; ``ready`` is called once packets are looked at.

        Raises OperatorError or HostError: it could not be started. What was
        hidden by then stays hidden.
        """
        self._means.catch(self._signals.put_nowait)
        running = await start(
            self._configuration,
            self._reporter,
            self._clock,
            lambda: self._signals.put_nowait(None),
            self._means,
        )
        ready()
        try:
            await self._serve(running)
        finally:
            await running.stop()

    async def _serve(self, running: Running) -> None:
        """Until a signal ends it, or a task fails, which is a bug and is let through."""
        reload = Reload(running, self._reconfigure)
        while True:
            signalled = asyncio.ensure_future(self._signals.get())
            for task in await running.tasks.or_first_end(signalled):
                self._look_at(task)
            if not signalled.done():
                signalled.cancel()
                continue
            number = signalled.result()
            if number is None:
                await running.gates.finish()
                self._reporter.report(LimitReached(running.settings.packet_limit))
                return
            self._reporter.report(Stopping(number.name))
            if number is not signal.SIGHUP:
                return
            await reload()

    def _look_at(self, ended: asyncio.Task[Any]) -> None:
        """Let through what a task failed of. A source may end it all, and the log has to say so."""
        try:
            ended.result()
        except HostError as error:
            self._reporter.report(HostTrouble("packets", str(error), error.hint))
            raise
