"""Packets from TCP connections, IPv4 and IPv6: each connection is one packet.

In here: listening, the life of a connection, every bound on what strangers can
make us keep.
Not in here: when a stream holds a packet (wire.carriers.stream), HTTP requests
(requests), what a packet means (recognise).

Nothing is ever sent. A connection ends when its peer closes it, after a second
in which nothing came, or after three seconds or 8 KiB at the latest, and
whether it carried a packet makes no difference: a stranger learns nothing from
it. When there are too many, the oldest goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from ipaddress import ip_network

from watchword.edges.capture.requests import Requests, in_words
from watchword.errors import HostError
from watchword.model.addresses import canonical
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.ports import Interest, PacketSource
from watchword.wire.carriers.stream import Collector, Progress

IDLE = 1.0  # seconds without a byte, after which the sender has nothing more to say
LONGEST_LIFE = 3.0  # seconds: whoever sends byte by byte
LONGEST_STREAM = 8192  # bytes: twice the longest request
MOST = 512  # connections at a time; a caller's own lives for one round trip
MOST_OF_ONE = 16  # connections at a time of one source: an IPv4 address, or a /64
BACKLOG = 256  # connections that the kernel keeps for us
ACCEPTED = 64  # connections of one wake-up
PAUSE = 0.1  # seconds without accepting after the system ran out of something
_PIECE = 2048  # bytes of one read
_SYSTEM_IS_OUT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def listening(family: int, port: int) -> socket.socket:
    """A socket that listens, for one family, on a port. Raises OSError."""
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LONGEST_STREAM)
        sock.bind(("::" if family == socket.AF_INET6 else "", port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _origin(peer: str) -> str:
    """What counts as one source: an address, or the /64 that an IPv6 host can move in."""
    address = canonical(peer)
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


class _Connection:
    """One stream and when it has to end."""

    __slots__ = (
        "collector", "ends", "last", "local", "origin", "peer", "read", "sock", "timer", "told",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, peer: tuple[str, int], now: float, requests: bool):
        self.sock = sock
        self.peer = peer
        self.origin = _origin(peer[0])
        self.local: str = sock.getsockname()[0]
        self.collector = Collector(requests=requests)
        self.ends = now + LONGEST_LIFE
        self.last = now
        self.read = 0
        self.told = False
        self.timer: asyncio.TimerHandle | None = None


class TcpSource:
    """One TCP port on every address of this host."""

    def __init__(
        self,
        port: int,
        requests: Requests | None = None,
        listening: Callable[[int, int], socket.socket] = listening,
    ) -> None:
        """Bind the port for each family that this host has.

        ``listening`` makes the socket of a family for a port. Raises HostError if the port is
        taken, or if there is no family at all.
        """
        self.name = f"tcp/{port}"
        self.flaws: Counter[Reason] = Counter()
        """How many connections carried something else, by reason."""
        self.turned_out = 0
        """Connections that were ended because there were too many."""
        self._port = port
        self._requests = requests or Requests()
        self._listeners: list[socket.socket] = []
        self._open: dict[int, _Connection] = {}
        """By descriptor, the oldest first."""
        self._of_origin: Counter[str] = Counter()
        self._arrived: list[Packet] = []
        self._ready = asyncio.Event()
        self._closed = False
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                self._listeners.append(listening(family, port))
            except OSError as error:
                if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue
                self._close_listeners()
                raise HostError(
                    f"cannot listen on TCP port {port}: {error.strerror}",
                    hint="another program may hold the port: ss -ltnp shows which",
                ) from error
        if not self._listeners:
            raise HostError(
                f"cannot listen on TCP port {port}: this host has neither IPv4 nor IPv6"
            )

    @property
    def families(self) -> tuple[int, ...]:
        """Of 4 and 6, those that are listened on."""
        return tuple(4 if each.family == socket.AF_INET else 6 for each in self._listeners)

    @property
    def connections(self) -> int:
        """Those that are open now."""
        return len(self._open)

    async def batches(self) -> AsyncIterator[Sequence[Packet]]:
        try:
            if not self._closed:
                self._accept_again()
            while not self._closed:
                await self._ready.wait()
                self._ready.clear()
                batch, self._arrived = self._arrived, []
                if batch:
                    yield batch
        finally:
            self._close()

    def _accept_again(self) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            if listener.fileno() >= 0:
                loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTED):
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _SYSTEM_IS_OUT:
                    self._pause(listener)
                    return
                continue  # that one is gone already
            self._take_in(sock, peer)

    def _pause(self, listener: socket.socket) -> None:
        """A listener that cannot be served stays readable: do not spin on it."""
        if self._open:
            self._end(next(iter(self._open.values())), turned_out=True)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        loop.call_later(PAUSE, self._accept_again)

    def _take_in(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        wanted = self._requests.wanted is not None
        try:
            connection = _Connection(sock, peer, loop.time(), wanted)
        except OSError:
            sock.close()
            return
        origin = connection.origin
        if self._of_origin[origin] >= MOST_OF_ONE:
            mine = (each for each in self._open.values() if each.origin == origin)
            self._end(next(mine), turned_out=True)
        elif len(self._open) >= MOST:
            self._end(next(iter(self._open.values())), turned_out=True)
        self._open[sock.fileno()] = connection
        self._of_origin[origin] += 1
        connection.timer = loop.call_later(IDLE, self._look_at_the_clock, connection)
        loop.add_reader(sock, self._read, connection)
        self._read(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            piece = connection.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._end(connection)
            return
        connection.read += len(piece)
        connection.last = asyncio.get_running_loop().time()
        if connection.read > LONGEST_STREAM:
            self._end(connection)
        elif not connection.told and connection.collector.feed(piece) is Progress.WHOLE:
            self._tell(connection)

    def _look_at_the_clock(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        due = min(connection.last + IDLE, connection.ends)
        if loop.time() >= due:
            self._end(connection)
        else:
            connection.timer = loop.call_at(due, self._look_at_the_clock, connection)

    def _end(self, connection: _Connection, *, turned_out: bool = False) -> None:
        """Close it; what it carried until now is the packet."""
        sock, loop = connection.sock, asyncio.get_running_loop()
        if self._open.pop(sock.fileno(), None) is None:
            return
        self._of_origin[connection.origin] -= 1
        if not self._of_origin[connection.origin]:
            del self._of_origin[connection.origin]
        self.turned_out += turned_out
        if connection.timer is not None:
            connection.timer.cancel()
        loop.remove_reader(sock)
        sock.close()
        self._tell(connection)

    def _tell(self, connection: _Connection) -> None:
        """Hand over what a connection carried, once."""
        if connection.told:
            return
        connection.told = True
        octets = connection.collector.end()
        if octets is None:
            self.flaws[Reason.ALPHABET if connection.read else Reason.LENGTH] += 1
            return
        (peer, peer_port), local = connection.peer[:2], connection.local
        tcp = socket.IPPROTO_TCP
        packet = Packet(octets, peer, peer_port, local, self._port, tcp, connected=True)
        sound = self._requests.sift(packet, self.flaws)
        if sound is not None:
            self._arrived.append(sound)
            self._ready.set()

    def narrow(self, interest: Interest) -> None:
        """A stream has no first byte until it is there; nothing to ask of the kernel."""

    def dropped(self) -> Mapping[str, int]:
        return {**in_words(self.flaws), "too many connections": self.turned_out}

    async def aclose(self) -> None:
        self._close()
        await asyncio.sleep(0)

    def _close(self) -> None:
        self._closed = True
        self._ready.set()
        for connection in list(self._open.values()):
            self._end(connection)
        self._close_listeners()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            if listener.fileno() >= 0:
                with contextlib.suppress(RuntimeError):
                    asyncio.get_running_loop().remove_reader(listener)
                listener.close()


_: type[PacketSource] = TcpSource
