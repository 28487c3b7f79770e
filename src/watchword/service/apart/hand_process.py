"""The hand: the process that may do things, and reads no packet.

In here: hearing the gate and the operator's signals; the end of either.
Not in here: what orders come to (counter, ways, workshop, relay), the gate (service.daemon),
parting (parting).

Whatever the gate writes that is no order is the end of it: no program of ours writes such a thing.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from watchword.edges.pair import Channel, GoneError, HungUpError
from watchword.errors import HostError, PeerError
from watchword.model.daemon_events import HostTrouble
from watchword.model.orders import Awaiting, OpenControl, Order, Plain, Prolong, Through
from watchword.ports import Clock, FirewallBackend, ForbiddenError, Reporter
from watchword.service.apart.answers import (
    Answer,
    Begun,
    Disturbed,
    Signalled,
    failure,
    told,
)
from watchword.service.apart.counter import Counter
from watchword.service.apart.inbox import REST, Inbox
from watchword.service.apart.letters import Letter
from watchword.service.apart.licences import Licences
from watchword.service.apart.relay import Relay
from watchword.service.apart.rulebook import Rulebook
from watchword.service.apart.ways import Ways
from watchword.service.apart.workshop import Workshop
from watchword.service.daemon.run_files import RunFiles

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LAST: Final = 2.0  # seconds from the last word of a gate to its end
_LOOK: Final = 5.0  # seconds between two looks for what is overdue
DYING: Final = 60.0  # seconds that a gate has to end after it was told to; a supervisor waits 90
LOST: Final = 70  # an exit status that the gate itself never has


class HandProcess:
    """The hand's side of everything, for one gate."""

    def __init__(
        self,
        book: Rulebook,
        calls: Channel,
        work: Channel,
        reporter: Reporter,
        clock: Clock,
        *,
        workshop: Callable[[Callable[[Answer | Begun], None], Licences], Workshop],
        ready: Callable[[], None],
        alive: Callable[[], None],
        awaiting: Callable[[Sequence[str]], None],
        found_by: RunFiles | None = None,
    ) -> None:
        """``ready``, ``alive`` and ``awaiting`` (what for) are called when the gate says so.

        ``found_by`` looks after the files by which people find us.
        """
        self._book = book
        self._calls = calls
        self._work = work
        self._inboxes = {each: Inbox(each, self._never_ended) for each in (calls, work)}
        self._reporter = reporter
        self._clock = clock
        self._ready = ready
        self._alive = alive
        self._awaiting = awaiting
        self._ways = Ways(book)
        self._counter = Counter(book, clock, self._ways)
        self._workshop = workshop(self._answer, self._counter.licences)
        self._relay = Relay(book, self._ways, self._counter.licences, self._say, found_by)
        self._speaking = ThreadPoolExecutor(1, thread_name_prefix="speak")
        self._over = asyncio.Event()
        """Set when there is no gate to be served any more."""
        self._ended = asyncio.Event()
        """Set when its process is over."""
        self._watched: tuple[FirewallBackend, asyncio.Task[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault = ""
        """What the gate did that ends it."""

    async def run(self, gate: int) -> int:
        """Until the gate is gone; its exit status, or LOST if it did not end by itself."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._watch = watch = os.pidfd_open(gate)
        try:
            for each in _SIGNALS:
                loop.add_signal_handler(each, self._signalled, each)
            for each in (signal.SIGUSR1, signal.SIGUSR2):
                loop.add_signal_handler(each, lambda: None)
            loop.add_reader(watch, self._gate_ended)
            loop.add_reader(self._calls.sock, self._on_call)
            loop.add_reader(self._work.sock, self._on_work)
            looking = loop.create_task(self._look_round())
            await self._over.wait()
            looking.cancel()
            return await self._end(gate)
        finally:
            loop.remove_reader(watch)
            os.close(watch)

    def _gate_ended(self) -> None:
        self._loop.remove_reader(self._watch)
        self._ended.set()
        self._over.set()

    async def _end(self, gate: int) -> int:
        """Take the gate's end down; close what is ours."""
        for each in (self._calls.sock, self._work.sock):
            self._loop.remove_reader(each)
        if self._watched is not None:
            self._watched[1].cancel()
        if not self._fault:
            try:
                async with asyncio.timeout(_LAST):
                    await self._ended.wait()
            except TimeoutError:
                self._fault = "it went on without its hand"
        if self._fault:
            os.kill(gate, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(gate, 0)[1])
        if self._fault:
            trouble = HostTrouble("gate", f"{self._fault}; it was ended", "see if it was attacked")
            self._reporter.report(trouble)
        elif status < 0:
            said = f"it was ended by {signal.Signals(-status).name}"
            self._reporter.report(HostTrouble("gate", said, "start fwknopd again"))
        await self._relay.close()
        self._workshop.stop()
        self._speaking.shutdown(wait=False, cancel_futures=True)
        self._ways.clear_metrics(self._book.now.settings, None)
        return LOST if self._fault or status < 0 else status

    def _signalled(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            self._book.asked += 1
        else:
            self._book.ending = True
            self._loop.call_later(DYING, self._run_out_of_patience)
        self._say(Signalled(number.name))

    def _run_out_of_patience(self) -> None:
        self._condemn(f"it did not end within {DYING:g} s")

    def _never_ended(self) -> None:
        self._condemn(f"it did not end a message within {REST:g} s")

    def _condemn(self, fault: str) -> None:
        self._fault = fault
        self._over.set()

    def _say(self, what: object) -> None:
        """From the loop, which does not wait for a gate that may be waiting for it."""
        self._speaking.submit(self._answer, what)

    def _answer(self, answer: object) -> None:
        """From any thread."""
        try:
            self._work.send(told(answer))
        except HungUpError as error:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._hung_up, error)

    def _hung_up(self, error: HungUpError) -> None:
        """A gate that is gone is heard of otherwise; one that is there and deaf has to go."""
        if not self._fault and not isinstance(error, GoneError):
            self._fault = str(error)
        self._over.set()

    def _on_call(self) -> None:
        letter = self._read(self._calls)
        if letter is None or letter.order is None:
            return
        order = letter.order
        if isinstance(order, OpenControl) or order in (Plain.SHUT, Plain.ADMIT):
            self._begin(self._see_to_control(order))
        elif isinstance(order, Plain):
            self._see_to(lambda: (self._plain(order), []))
        elif isinstance(order, Awaiting):
            self._see_to(lambda: (self._awaiting(order.what), []))
        elif self._counter.may_take_long(order):
            self._begin(self._see_to_aside(order))
        else:
            self._see_to(lambda: self._counter.serve(order))

    def _see_to(self, work: Callable[[], tuple[Any, list[int]]]) -> None:
        files: list[int] = []
        try:
            value, files = work()
            answer = Answer(0, value)
        except Exception as error:  # whatever it is, the gate waits for the answer
            answer = self._failed(error)
        self._watch_firewall()
        self._reply(answer, files)

    async def _see_to_aside(self, order: Order) -> None:
        """By a thread: what hangs holds up neither signals nor a supervisor's watchdog."""
        done = asyncio.to_thread(self._counter.serve, order)
        try:
            outcome = await done
        except Exception as error:
            self._reply(self._failed(error), [])
        else:
            self._see_to(lambda: outcome)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """What is asked meanwhile waits, where the gate has to wait with it: an honest one asks for
        nothing before it has its answer."""
        self._loop.remove_reader(self._calls.sock)
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._go_on)

    def _go_on(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._over.is_set():
            self._loop.add_reader(self._calls.sock, self._on_call)

    def _failed(self, error: Exception) -> Answer:
        if isinstance(error, ForbiddenError):
            self._reporter.report(HostTrouble("gate", f"it asked for what may not be: {error}"))
        return failure(0, error)

    def _reply(self, answer: Answer, files: list[int]) -> None:
        try:
            self._calls.send(told(answer), files)
        except HungUpError as error:
            self._hung_up(error)
        finally:
            for each in files:
                os.close(each)

    def _plain(self, order: Plain) -> Any:
        match order:
            case Plain.TAKEN | Plain.REFUSED:
                return self._change_over(order)
            case Plain.READY:
                return self._ready()
            case Plain.END_CLOSING if not self._book.ending:
                return None  # a gate that ends by itself; what is left is ended with us
            case Plain.END_GPG | Plain.END_COMMANDS | Plain.END_CLOSING | Plain.END_MAIL:
                return self._workshop.end(order)
            case _:
                raise ForbiddenError(f"{order.value} is not asked for in this way")

    def _change_over(self, order: Plain) -> int:
        """Go by what was read last, or never; which number the policy of now has."""
        book = self._book
        before = book.now.settings
        if order is Plain.TAKEN:
            book.take()
        else:
            before = (book.coming or book.now).settings
            book.refuse()
        self._ways.clear_metrics(before, book.now.settings)
        return book.number

    def _on_work(self) -> None:
        letter = self._read(self._work)
        if letter is None:
            return
        if letter.reply is not None:
            self._relay.replied(letter.number, letter.reply)
        elif letter.order is Plain.ALIVE:
            self._alive()
        elif isinstance(letter.order, Prolong):
            self._workshop.prolong(letter.order)
        elif letter.order is not None:
            self._take(letter.number, letter.order)

    def _take(self, number: int, order: Order) -> None:
        try:
            if isinstance(order, Through):
                self._counter.check_known(order.holes)
        except ForbiddenError as error:
            self._say(replace(self._failed(error), number=number))
        else:
            self._workshop.take(number, order)

    def _read(self, channel: Channel) -> Letter | None:
        try:
            return self._inboxes[channel].take()
        except PeerError as error:
            self._condemn(f"it wrote what is no order: {error}")
        except HungUpError as error:
            self._hung_up(error)
        return None

    def _watch_firewall(self) -> None:
        """Pass on news of the firewall of now, once it was prepared: it listens by then."""
        firewall = self._book.now.firewall
        if not self._book.now.prepared or (self._watched and self._watched[0] is firewall):
            return
        if self._watched is not None:
            self._watched[1].cancel()
        self._watched = (firewall, self._loop.create_task(self._pass_on_news(firewall)))

    async def _pass_on_news(self, firewall: FirewallBackend) -> None:
        try:
            async for _ in firewall.disturbances():
                self._say(Disturbed())
        except HostError as error:
            self._reporter.report(HostTrouble.of("firewall", error))

    async def _look_round(self) -> None:
        while True:
            self._workshop.close_what_is_overdue()
            await asyncio.sleep(_LOOK)

    async def _see_to_control(self, order: Order) -> None:
        try:
            answer = Answer(0, await self._relay.serve(order))
        except Exception as error:
            answer = self._failed(error)
        self._reply(answer, [])
