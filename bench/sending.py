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

from bench.accounting import Datagrams
from bench.packets import SERVICE_PORT, SPA_PORT
from bench.servers import Server
from bench.waiting import NotMeasuredError

_AT_ONCE = struct.pack("ii", 1, 0)  # linger: no TIME_WAIT is left behind
_ROUND_TRIP = 0.0001  # seconds an open door may take to answer


def sender(server: Server, source: str | None = None) -> socket.socket:
    """A socket whose packets come from ``source``, else from the client's own address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.bind((source or server.berth.client_address, 0))
    return sock


def send_one(server: Server, packet: bytes, source: str | None = None) -> None:
    with closing(sender(server, source)) as sock:
        sock.sendto(packet, (server.berth.address, SPA_PORT))


def send_paced(server: Server, burst: Sequence[bytes], *, limit: float) -> Datagrams:
    """Send all, never with more than the server's window waiting; return what became of them.

    Raises NotMeasuredError: the server did not take them within ``limit`` seconds.
    """
    before = server.datagrams()
    to = (server.berth.address, SPA_PORT)
    until = time.monotonic() + limit
    sent = 0
    with closing(sender(server)) as sock:
        while (taken := server.datagrams().since(before)).gone < len(burst):
            room = server.window - (sent - taken.gone)
            for packet in burst[sent : sent + room]:
                sock.sendto(packet, to)
            sent = min(len(burst), sent + room)
            if time.monotonic() > until:
                raise NotMeasuredError(f"took {taken.gone} of {len(burst)} in {limit:.0f} s")
            time.sleep(0.0002)
    return taken


def settle(server: Server, limit: float = 30.0) -> None:
    """Wait until the server has nothing left to do: 50 ms in which it used less than 1 % of them.

    Raises NotMeasuredError.
    """
    until = time.monotonic() + limit
    used = server.account.processor_seconds()
    while time.monotonic() < until:
        time.sleep(0.05)
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
    """Try again and again; seconds from ``since`` (perf_counter) to success; None: not in time."""
    while (now := time.perf_counter()) - since < limit:
        if is_open(server, caller):
            return time.perf_counter() - since
        if now - since > 1.0:
            time.sleep(0.005)  # something is wrong; leave the server the processor
    return None
