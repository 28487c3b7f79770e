"""The gate's end of the two socket pairs to the hand.

In here: asking and waiting for the answer, one at a time (``ask``), and many at once
(``call``); what the hand says unasked.
Not in here: what is asked (far), the hand (counter).

There are two pairs because the loop waits for the firewall, as it does with only one process: an
answer to a thread must not be what it reads first.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import count
from typing import Any

from watchword.edges.pair import Channel, HungUpError
from watchword.edges.peers import Peer
from watchword.errors import WatchwordError
from watchword.model.orders import Order
from watchword.service.apart import letters
from watchword.service.apart.answers import (
    Answer,
    Asked,
    Begun,
    Disturbed,
    Signalled,
    heard,
    opened,
)
from watchword.service.daemon.control import Handler, Question, refusal

Started = Callable[[], None]


class Line:
    """Everything that the gate hears of the hand."""

    def __init__(self, calls: Channel, work: Channel) -> None:
        self.disturbed = asyncio.Event()
        self.signalled: Callable[[str], None] = lambda name: None
        self.handlers: Mapping[str, Handler] = {}
        """Who answers at the control socket."""
        self.policy = 0
        """How many policies were taken up before the one of now."""
        self._calls = calls
        self._work = work
        self._numbers = count(1)
        self._waiting: dict[int, tuple[Future[Any], Started | None]] = {}
        self._guard = threading.Lock()
        self._asking = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Listen, on the loop that runs."""
        asyncio.get_running_loop().add_reader(self._work.sock, self._hear)

    def ask(self, order: Order) -> Any:
        """Have something done, and wait for it: one at a time.

        Raises whatever the hand raises.
        """
        value, descriptors = self.ask_for_files(order)
        for each in descriptors:
            os.close(each)
        return value

    def ask_for_files(self, order: Order) -> tuple[Any, list[int]]:
        """The same, with open files that belong to the caller."""
        with self._asking, _or_end():
            self._calls.send(letters.order(0, order))
            octets, descriptors = self._calls.receive()
        return opened(heard(octets)), descriptors

    def call(self, order: Order, started: Started | None = None) -> Any:
        """Have something done, and wait for it. From any thread but the loop's.

        ``started`` is called when the hand says that it begins. Raises whatever the hand raises.
        """
        number, done = next(self._numbers), Future[Any]()
        with self._guard:
            self._waiting[number] = (done, started)
        self._send(letters.order(number, order))
        return opened(done.result())

    def say(self, order: Order) -> None:
        """Tell the hand something that has no answer."""
        self._send(letters.order(0, order))

    async def replied(self, patience: float) -> None:
        """Wait until all questions of the control socket are answered, for some seconds at most."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=patience)

    def _send(self, octets: bytes) -> None:
        with _or_end():
            self._work.send(octets)

    def _hear(self) -> None:
        with _or_end():
            octets, _ = self._work.receive()
        match heard(octets):
            case Answer(number) as answer:
                with self._guard:
                    done, _ = self._waiting.pop(number)
                done.set_result(answer)
            case Begun(number):
                with self._guard:
                    _, started = self._waiting[number]
                if started is not None:
                    started()
            case Disturbed():
                self.disturbed.set()
            case Signalled(name):
                self.signalled(name)
            case Asked() as asked:
                task = asyncio.get_running_loop().create_task(self._reply(asked))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _reply(self, asked: Asked) -> None:
        peer = Peer(asked.pid, asked.uid, asked.groups)
        try:
            answer = await self._worked_out(Question(asked.fields, peer, asked.root), asked.name)
        except WatchwordError as error:
            answer = refusal(error)
        self._send(letters.reply(asked.number, answer))

    def _worked_out(self, question: Question, name: str) -> Awaitable[dict[str, object]]:
        return self.handlers[name](question)


@contextmanager
def _or_end() -> Iterator[None]:
    """Without the hand there is nothing to be done, and nobody to tell."""
    try:
        yield
    except HungUpError:
        os._exit(1)
