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
from typing import Final

from watchword.dialects.knockd import conf
from watchword.dialects.knockd.daemon_options import INTERFACE, DaemonOptions
from watchword.edges.capture.addresses import AddressNews, addresses
from watchword.edges.capture.knocks import KnockSource
from watchword.edges.capture.links import index_of
from watchword.errors import HostError, OperatorError
from watchword.model.door_events import (
    ListeningOn,
    LogReopened,
    Remark,
    Rereading,
    Seen,
    SequencesUsedUp,
    ShuttingDown,
    Told,
    Trouble,
)
from watchword.model.doors import Knock, Progress
from watchword.model.knocking import EVERY_INTERFACE, Knocking, KnockSettings
from watchword.ports import Clock
from watchword.recognise.doors import DoorRecogniser
from watchword.service.knock.loading import load
from watchword.service.knock.one_time_doors import used_up
from watchword.service.knock.openings import Openings
from watchword.service.knock.teller import Teller

_LONGEST_TURN: Final = 30.0
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
    ) -> None:
        """``reopen`` opens the log anew, as settings say, and returns the path of its file."""
        self._options = options
        self._knocking = knocking
        self._teller = teller
        self._tell = teller.tell
        self._clock = clock
        self._reopen = reopen
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._openings = Openings(self._tell, clock)
        self._source: KnockSource
        self._news: AddressNews
        self._recogniser: DoorRecogniser
        self._timer: asyncio.TimerHandle | None = None
        self._turning: asyncio.TimerHandle | None = None

    async def run(self, ready: Callable[[], None]) -> int:
        """Serve until a signal; ``ready`` is called once knocks are heard. The exit status.

        Raises OperatorError or HostError: it could not be started.
        """
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.add_signal_handler(each, self._signals.put_nowait, each)
        self._source = KnockSource(self._named(), None, self._clock)
        self._news = AddressNews()
        try:
            await self._take_up(self._knocking)
        except (HostError, OperatorError):
            self._source.close()
            self._news.close()
            await self._openings.aclose()
            raise
        ready()
        self._announce()
        listening = loop.create_task(self._listen())
        writing = loop.create_task(self._teller.write_forever())
        loop.add_reader(self._news.sock, self._hear_of_addresses)
        try:
            return await self._serve(listening)
        finally:
            loop.remove_reader(self._news.sock)
            await self._stop(listening, writing)

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Those that are listened on, as they were named."""
        if self._options.interface:
            return conf.interfaces(self._options.interface)
        return self._knocking.settings.interfaces or (INTERFACE,)

    def _named(self) -> tuple[str, ...]:
        return () if EVERY_INTERFACE in self.interfaces else self.interfaces

    def _local(self) -> set[bytes]:
        """Addresses that knocks may be sent to."""
        named = self._named()
        found = [addresses(index_of(each)) for each in named] if named else [addresses()]
        most = 4 if self._options.only_ipv4 else 16
        return {each for group in found for each in group if len(each) <= most}

    async def _take_up(self, knocking: Knocking) -> None:
        """Begin to follow these doors. Raises HostError: what they need cannot be had."""
        local = self._local()
        await self._openings.take_up(knocking)
        self._knocking = knocking
        self._recogniser = DoorRecogniser(knocking.doors, local)
        self._turn()
        self._narrow()
        for door in knocking.doors:
            if not door.sequence and door.rotation is None:
                self._tell(SequencesUsedUp(door.name))
        for complaint in knocking.complaints:
            self._tell(Remark(str(complaint)))

    def _turn(self) -> None:
        """Take the sequences that rotations have now, and see to it that the next ones are."""
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        wall = self._clock.now().wall
        after = self._recogniser.turn(wall)
        if after is not None:
            pause = min(max(after - wall, 0.05), _LONGEST_TURN)  # the wall clock may be set
            self._turning = asyncio.get_running_loop().call_later(pause, self._turn_and_narrow)

    def _turn_and_narrow(self) -> None:
        self._turn()
        self._narrow_again()

    def _narrow(self) -> None:
        """Have the kernel let through what is of interest now. Raises HostError."""
        self._source.narrow(self._recogniser.hearing())

    def _narrow_again(self) -> None:
        """The same while it runs: if the kernel refuses, what passed before still does."""
        try:
            self._narrow()
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))

    def _announce(self) -> None:
        self._tell(ListeningOn(",".join(self.interfaces)))
        if self._teller.debugging:
            self._teller.say_all(f"local IP: {each}" for each in self._recogniser.local)

    async def _listen(self) -> None:
        async for heard in self._source.batches():
            knocks = heard.knocks
            if self._options.only_ipv4 or self._teller.debugging:
                knocks = self._looked_at(knocks)
            observe = self._recogniser.observe
            for at, knock in knocks:
                if told := observe(knock, at):
                    self._heed_all(told)
            self._heed_all(self._recogniser.expire(heard.until))
            self._await_deadline(heard.until)

    def _looked_at(self, knocks: Sequence[tuple[float, Knock]]) -> list[tuple[float, Knock]]:
        """What -4 leaves of them; told where debugging was asked for."""
        families = (4,) if self._options.only_ipv4 else (4, 16)
        kept = [each for each in knocks if len(each[1].source) in families]
        if self._teller.debugging:
            for _, knock in kept:
                self._tell(Seen(knock))
        return kept

    def _heed_all(self, told: Sequence[Progress]) -> None:
        for progress in told:
            self._heed(progress)

    def _await_deadline(self, now: float) -> None:
        """Look again when the next attempt has taken too long, whether a packet comes or not."""
        deadline = self._recogniser.next_deadline()
        if deadline is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, deadline - now)
        if self._timer is not None:
            if loop.time() < self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._source.wake)

    def _heed(self, progress: Progress) -> None:
        self._tell(Told(progress))
        if not progress.opened:
            return
        door = progress.door
        if door.one_time is not None:
            opens, waiting = used_up(door, door.one_time, self._tell)
            self._recogniser.take_sequence(door.number, waiting)
            self._narrow_again()
            if not opens:
                return
        if progress.window is not None:
            self._recogniser.spend(door.number, progress.window)
            self._narrow_again()
        self._openings.open(progress)

    def _hear_of_addresses(self) -> None:
        self._news.hear()
        try:
            self._recogniser.take_addresses(self._local())
        except HostError as error:
            self._tell(Trouble(str(error), error.hint))
        self._narrow_again()

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
        for timer in (self._timer, self._turning):
            if timer is not None:
                timer.cancel()
        await self._openings.finish(at_once=self._knocking.settings.close_at_exit)
        self._news.close()
        self._tell(ShuttingDown())
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        self._teller.write_rest()
