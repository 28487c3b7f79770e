"""Lets connections through to a service that say in their first bytes whose they are.

In here: who is accepted, what they say and how long that may take; joining to the service.
Not in here: what is said (wire.proof), who gives way where many come (waiting, asking), the
daemon's answer (service.daemon.proofs), passing bytes on (edges.splicing), options
(service.tool.front).

A stranger sees a port that accepts and says nothing, and closes. Nothing of the service can be
seen: it is connected to only afterwards. Whoever comes has a moment for a message of one length.
What has come with the connection is read before it waits for anything, so that those who say
nothing cannot push out a knocker, however many they are.

No key is here, and no right is needed but to ask the daemon.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchword.edges import splicing
from watchword.model.addresses import Address, canonical
from watchword.model.services import Proto, Service
from watchword.record import record
from watchword.service.front.asking import Asker
from watchword.service.front.waiting import Waiting, crowd
from watchword.wire.proof import ANSWER, LENGTH, halves
from watchword.wire.proxy_header import header

PATIENCE: Final = 10.0  # seconds for the service to accept
SELDOM: Final = 60.0  # seconds between two complaints of the same kind
_BACKLOG: Final = 4096  # connections that are yet to be accepted, as far as the system allows
_IN_A_ROW: Final = 32  # are accepted before others have their turn


@record
class Place:
    """What is in front of what."""

    listening: tuple[tuple[str, int], ...]
    """Addresses and ports; every one is the same service to the policy."""
    service: tuple[str, int]
    daemon: Path
    """The daemon's control socket."""
    seconds: float = 3.0
    """For the first bytes."""
    most: int = 256
    """Connections that go through at a time."""
    tells: bool = False
    """True: the service is told who called, by a header of PROXY protocol 2."""


@dataclass(slots=True)
class _Comer:
    """A connection, and where it comes from."""

    connection: socket.socket
    source: Address
    port: int
    called: tuple[Address, int]
    said: bytes = b""
    """What came with the connection, or since."""


class Front:
    """Serves until it is cancelled."""

    def __init__(self, place: Place, say: Callable[[str], None]) -> None:
        self._place = place
        self._say = say
        self._waiting = Waiting()
        self._asker = Asker(place.daemon, self._complain)
        self._through: Counter[str] = Counter()
        """Connections that go through, by whose they are."""
        self._running: set[asyncio.Task[None]] = set()
        self._complained: dict[str, float] = {}
        """What was complained of last, and when."""

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Take whoever comes at these. They are closed in the end."""
        try:
            await asyncio.gather(*(self._accept(each) for each in listeners))
        finally:
            for listener in listeners:
                listener.close()
            for task in list(self._running):
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._asker.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                for _ in range(_IN_A_ROW):
                    connection, _ = await loop.sock_accept(listener)
                    self._begin(connection)
            except OSError as error:  # no descriptors, mostly
                self._complain(f"somebody has to go: {error.strerror}")
                _send_away(self._waiting.longest())
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            comer = _comer(connection)
        except (OSError, ValueError):  # it has gone already
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(self._see_to(comer))
        self._running.add(task)
        task.add_done_callback(lambda done: self._over(done, connection))
        if len(comer.said) < LENGTH:
            _send_away(self._waiting.add(task, crowd(comer.source)))

    def _over(self, task: asyncio.Task[None], connection: socket.socket) -> None:
        connection.close()
        self._waiting.remove(task)
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"a connection was dropped: {error!r}")

    async def _see_to(self, comer: _Comer) -> None:
        told = await self._proved(comer)
        if told is None:
            return
        who = f"{comer.source} port {comer.port} ({told['user']!r}, grant {told['grant']})"
        whose = str(told.get("whose", ""))
        if why := self._full(whose):
            self._say(f"{who} is turned away: {why}")
            return
        self._through[whose] += 1
        try:
            await self._let_through(comer, who, bytes.fromhex(told["answer"]))
        finally:
            self._through[whose] -= 1
            self._through += Counter()  # forgets whoever has none

    def _full(self, whose: str) -> str:
        """Why nobody more gets through; empty: there is room. A quarter of it is for others than
        any one key."""
        most, everybody, own = self._place.most, self._through.total(), self._through[whose]
        if everybody >= most:
            return f"{everybody} connections go through"
        return f"{own} of the same key go through" if own >= most - most // 4 else ""

    async def _proved(self, comer: _Comer) -> dict[str, Any] | None:
        """What the daemon says of it; None: nothing, or that it is nobody's."""
        try:
            async with asyncio.timeout(self._place.seconds):
                whole = await _heard(comer)
        except OSError:  # it took too long, or went
            return None
        task = asyncio.current_task()
        if task is not None:
            self._waiting.remove(task)
        if not whole:
            return None
        told = await self._asker.ask(_question(comer), crowd(comer.source))
        known = told.get("proved") is True and len(str(told.get("answer"))) == 2 * ANSWER
        return told if known else None

    def _complain(self, text: str) -> None:
        """Of what every stranger can bring about while it lasts: once a minute."""
        now = asyncio.get_running_loop().time()
        recent = {each: at for each, at in self._complained.items() if at + SELDOM > now}
        if text not in recent:
            self._say(text)
        self._complained = {text: now, **recent}

    async def _let_through(self, comer: _Comer, who: str, answer: bytes) -> None:
        host, port = self._place.service
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as service:
            service.setblocking(False)
            try:
                async with asyncio.timeout(PATIENCE):
                    await loop.sock_connect(service, (host, port))
                    await loop.sock_sendall(comer.connection, answer)
                    if self._place.tells:
                        caller = comer.source, comer.port
                        await loop.sock_sendall(service, header(caller, comer.called))
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else "silence"
                self._say(f"{who} got nowhere: {host} port {port}: {why}")
                return
            for each in (service, comer.connection):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._say(f"{who} goes through")
            await splicing.join(comer.connection, service)


def listeners(place: Place) -> list[socket.socket]:
    """One for each address. Raises OSError."""
    found: list[socket.socket] = []
    try:
        for address, port in place.listening:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setblocking(False)
            listener.bind((address, port))
            listener.listen(_BACKLOG)
    except OSError:
        for listener in found:
            listener.close()
        raise
    return found


def _send_away(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


def _comer(connection: socket.socket) -> _Comer:
    """Raises OSError: the connection is broken or over."""
    source, port, *_ = connection.getpeername()
    called, own, *_ = connection.getsockname()
    try:
        said = connection.recv(LENGTH)
    except BlockingIOError:
        said = b""
    else:
        if not said:
            raise ConnectionError
    return _Comer(connection, canonical(source), port, (canonical(called), own), said)


async def _heard(comer: _Comer) -> bool:
    """As many bytes as the message has, and not one more: what follows is the service's.

    False: it ended before.
    """
    loop = asyncio.get_running_loop()
    while len(comer.said) < LENGTH:
        octets = await loop.sock_recv(comer.connection, LENGTH - len(comer.said))
        if not octets:
            return False
        comer.said += octets
    return True


def _question(comer: _Comer) -> dict[str, object]:
    name, mac = halves(comer.said)
    return {
        "name": name.hex(),
        "mac": mac.hex(),
        "from": str(comer.source),
        "port": comer.port,
        "service": str(Service(Proto.TCP, comer.called[1])),
    }
