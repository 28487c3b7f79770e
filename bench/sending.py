"""The client: sends packets no faster than they are taken, and tries doors.

In here: pacing, connecting, waiting until a server has nothing left to do.
Not in here: floods, which do not ask (flood); figures (rows).

Everything here runs as the client (scene.being).
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import cycle
from typing import NamedTuple

from bench.packets import SERVICE_PORT, SPA_PORT
from bench.servers import Server
from bench.waiting import NotMeasuredError

_AT_ONCE = struct.pack("ii", 1, 0)  # linger: no TIME_WAIT is left behind
_IP_PKTINFO = 8
_PORT = 40_000
_STRANGERS = tuple(str(IPv4Address("10.64.0.1") + number) for number in range(8192))
_BETWEEN_SYNS = 0.00015  # seconds
_LOOKING = 0.00005  # seconds between two looks for answers; the kernel adds as much
_ROUND_TRIP = 0.0001  # seconds an open door may take to answer


class Letter(NamedTuple):
    """A payload, and the address that it comes from."""

    payload: bytes
    source: str


def open_sender() -> socket.socket:
    """A socket for packets of many sources, all from one port: fewer tracked connections."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.bind(("", _PORT))
    return sock


def post(sock: socket.socket, server: Server, letter: Letter) -> None:
    """Send one packet from its own source."""
    information = struct.pack("=i4s4s", 0, socket.inet_aton(letter.source), bytes(4))
    to = (server.berth.address, SPA_PORT)
    sock.sendmsg((letter.payload,), ((socket.IPPROTO_IP, _IP_PKTINFO, information),), 0, to)


def send_one(server: Server, packet: bytes, source: str) -> None:
    with closing(open_sender()) as sock:
        post(sock, server, Letter(packet, source))


def from_strangers(payloads: Sequence[bytes]) -> list[Letter]:
    """Each payload from another address than the thousands before it."""
    return [Letter(each, source) for each, source in zip(payloads, cycle(_STRANGERS))]


def send_tried(server: Server, letters: Sequence[Letter], *, limit: float) -> None:
    """Send all, no more at once than the server is sure to look at; come back when it has.

    A server that takes packets out of its socket before it looks at them has
    to come to rest after each window.

    Raises NotMeasuredError: it did not take them within ``limit`` seconds, or lost some.
    """
    before = server.datagrams()
    until = time.monotonic() + limit
    sent = 0
    with closing(open_sender()) as sock:
        while (taken := server.datagrams().since(before)).gone < len(letters):
            room = server.window - (sent - taken.gone)
            if server.reads_ahead and sent > taken.gone:
                room = 0
            elif server.reads_ahead and sent:
                settle(server, limit, pause=0.02)
            for letter in letters[sent : sent + room]:
                post(sock, server, letter)
            sent = min(len(letters), sent + room)
            if time.monotonic() > until:
                raise NotMeasuredError(f"took {taken.gone} of {len(letters)} in {limit:.0f} s")
            time.sleep(0.0002)
    if taken.no_room:
        raise NotMeasuredError(f"{taken.no_room} of {len(letters)} packets found no room")
    settle(server, limit)


def open_all(
    server: Server, callers: Sequence[str], packets: Sequence[bytes], *, limit: float
) -> float:
    """Each caller sends its packet; return the seconds until the last one gets in.

    As many are under way as the server has a window for: further ones are
    sent when the door has opened for the caller that many places before.

    Raises NotMeasuredError: somebody did not get in within ``limit`` seconds.
    """
    step = max(1, server.window // 4)
    began = time.perf_counter()
    with closing(open_sender()) as sock:
        for start in range(0, len(callers), step):
            if start >= server.window:
                _wait_for_door(server, callers[start - server.window], start, began + limit)
            for caller, packet in zip(
                callers[start : start + step], packets[start : start + step], strict=True
            ):
                post(sock, server, Letter(packet, caller))
    _wait_for_door(server, callers[-1], len(callers), began + limit)
    return time.perf_counter() - began


def _wait_for_door(server: Server, caller: str, sent: int, until: float) -> None:
    while not is_open(server, caller):
        if time.perf_counter() > until:
            lost = server.datagrams().no_room
            raise NotMeasuredError(
                f"after {sent} valid packets the door stays shut for {caller} "
                f"({lost} packets found no room in the socket)"
            )
        time.sleep(0.0005)


def settle(server: Server, limit: float = 30.0, pause: float = 0.05) -> None:
    """Wait until the server has nothing left to do: it used next to nothing during a pause.

    ``pause`` is longer than the kernel's tick, at which a running process is charged.

    Raises NotMeasuredError.
    """
    until = time.monotonic() + limit
    used = server.account.processor_seconds()
    while time.monotonic() < until:
        time.sleep(pause)
        before, used = used, server.account.processor_seconds()
        if used - before < 0.0005:
            return
    raise NotMeasuredError(f"still at work after {limit:.0f} s")


@dataclass(slots=True)
class Call:
    """One caller among many: a packet, and tries of the door until it opens."""

    packet: bytes
    source: str
    """Address that the packet comes from."""
    caller: str
    """Address that is let in, from which the door is tried."""
    when: float
    """Seconds after the beginning at which the packet is sent."""
    sent_at: float = 0.0
    try_again: float = 0.0
    attempt: socket.socket | None = None

    def try_door(self, server: Server, now: float) -> bool:
        """Whether the last attempt succeeded; begin another one if it is time to."""
        door = (server.berth.address, SERVICE_PORT)
        if self.attempt is not None and self.attempt.connect_ex(door) in (0, errno.EISCONN):
            return True
        if now >= self.try_again:
            self.hang_up()
            self.attempt = _attempt(self.caller)
            self.try_again = now + max(0.0005, (now - self.sent_at) / 10)
            return self.attempt.connect_ex(door) == 0
        return False

    def hang_up(self) -> None:
        if self.attempt is not None:
            self.attempt.close()
            self.attempt = None


def call_all(server: Server, calls: Sequence[Call], *, limit: float) -> list[float | None]:
    """Make all calls, each at its time; how long each waited, None: longer than ``limit``.

    A waiting caller tries the door every half millisecond, later every tenth
    of the time that it has waited already.
    """
    began = time.perf_counter()
    to_come = sorted(calls, key=lambda each: each.when, reverse=True)
    waiting: list[Call] = []
    waits: list[float | None] = []
    while to_come or waiting:
        now = time.perf_counter()
        while to_come and began + to_come[-1].when <= now:
            call = to_come.pop()
            call.sent_at = time.perf_counter()
            send_one(server, call.packet, call.source)
            waiting.append(call)
        for call in tuple(waiting):
            now = time.perf_counter()
            opened = call.try_door(server, now)
            if opened or now - call.sent_at > limit:
                waiting.remove(call)
                call.hang_up()
                waits.append(time.perf_counter() - call.sent_at if opened else None)
        doors = [each.attempt for each in waiting if each.attempt is not None]
        select.select((), doors, (), 0.0002 if waiting else 0.001)
    return waits


def _attempt(caller: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    sock.bind((caller, 0))
    return sock


def is_open(server: Server, caller: str) -> bool:
    """Try the service once, as that caller: a SYN, and time for one round trip."""
    with closing(_attempt(caller)) as sock:
        door = (server.berth.address, SERVICE_PORT)
        if sock.connect_ex(door) == 0:
            return True
        _, ready, _ = select.select((), (sock,), (), _ROUND_TRIP)
        return bool(ready) and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def seconds_until_open(server: Server, caller: str, since: float, *, limit: float) -> float | None:
    """Try again and again; seconds from ``since`` (perf_counter) to success; None: not in time.

    A new SYN goes out every 150 microseconds or so, and later every fiftieth of the
    time that has been waited, without waiting for what became of the others. In
    between the caller sleeps: a real one has a processor of his own, and where there
    are two, one that never rests is one that the server's processes wait for.
    """
    door = (server.berth.address, SERVICE_PORT)
    attempts: dict[int, socket.socket] = {}
    next_try = 0.0
    with select.epoll() as answers:
        try:
            while (now := time.perf_counter()) - since < limit:
                if now >= next_try:
                    sock = _attempt(caller)
                    attempts[sock.fileno()] = sock
                    next_try = now + max(_BETWEEN_SYNS, (now - since) / 50)
                    if sock.connect_ex(door) == 0:
                        return time.perf_counter() - since
                    answers.register(sock, select.EPOLLOUT)
                for number, _ in answers.poll(0):
                    if attempts[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                        return time.perf_counter() - since
                    answers.unregister(number)
                time.sleep(_LOOKING)
        finally:
            for sock in attempts.values():
                sock.close()
    return None
