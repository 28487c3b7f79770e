"""Where programs meet: a server, a caller, a stranger, and a host behind the server.

In here: the network, the services that wait to be reached, and looking at them from
outside.
Not in here: the programs (server_program, client_program), what must be seen (exchange).

The trio of ``watchword.lab``, and beyond it ``inner``, which only the server can reach.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import open_socket
from watchword.lab.trio import trio

INNER: Final = "10.0.0.5"
SERVER_SIDE: Final = "10.0.0.1"
ROAMING: Final = "192.0.2.10"
"""A second address of the caller, for packets that were recorded with it inside."""
GLANCE: Final = 0.2
"""Seconds without an answer that count as silence; a link of veth pairs answers in microseconds."""


class Sight(Enum):
    SILENT = "no answer"
    REFUSED = "a refusal"
    REACHED = "an answer"


@dataclass(frozen=True, slots=True)
class Door:
    """A service as somebody sees it from his host, coming from one of its addresses."""

    seen_from: Host
    source: str
    address: str
    proto: str
    """``tcp`` or ``udp``."""
    port: int

    def __str__(self) -> str:
        return f"{self.proto}/{self.port} for {self.source}"


class Venue:
    """The network of one exchange; gone with its lab."""

    def __init__(self, lab: Lab) -> None:
        scene = trio(lab)
        self.server, self.caller, self.stranger = scene.server, scene.caller, scene.stranger
        self.inner = lab.host("inner")
        lab.link(
            (self.inner, "eth0", (f"{INNER}/24",)),
            (self.server.host, "inner", (f"{SERVER_SIDE}/24",)),
        )
        lab.route(self.inner, SERVER_SIDE)
        self.server.host.sysctl("net.ipv4.ip_forward", 1)
        self._internet = scene.internet
        self.roam(ROAMING)
        self._services = ExitStack()
        self._served: set[tuple[str, str, int]] = set()
        self._datagrams: dict[tuple[str, int], socket.socket] = {}

    def roam(self, address: str) -> None:
        """Give the caller one more IPv4 address, from which the server can be reached."""
        self.caller.host.run("ip", "addr", "replace", f"{address}/32", "dev", "lo")
        self._internet.run("ip", "route", "replace", f"{address}/32", "via", self.caller.four)

    def serve(self, host: Host, address: str, proto: str, port: int) -> None:
        """Have a service there that takes connections, or datagrams, and says nothing.

        It is there once, however often it is asked for.
        """
        if (address, proto, port) in self._served:
            return
        self._served.add((address, proto, port))
        kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
        listener = self._services.enter_context(closing(open_socket(host, address, kind)))
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        if proto == "tcp":
            listener.listen(4096)  # nobody accepts, and a full queue looks like a firewall
        else:
            self._datagrams[address, port] = listener

    def close(self) -> None:
        self._services.close()

    def look(self, doors: Iterable[Door], seconds: float = GLANCE) -> dict[Door, Sight]:
        """Try all doors at once; return as soon as each has answered, or after that time."""
        with ExitStack() as stack:
            waiting = {door: stack.enter_context(closing(self._try(door))) for door in doors}
            sights: dict[Door, Sight] = {}
            limit = time.monotonic() + seconds
            while waiting and (left := limit - time.monotonic()) > 0:
                for door in _writable(waiting, min(left, 0.02)):
                    if (sight := self._sight(door, waiting[door])) is not None:
                        sights[door] = sight
                        del waiting[door]
            return sights | dict.fromkeys(waiting, Sight.SILENT)

    def _try(self, door: Door) -> socket.socket:
        kind = socket.SOCK_STREAM if door.proto == "tcp" else socket.SOCK_DGRAM
        probe = open_socket(door.seen_from, door.source, kind)
        probe.setblocking(False)
        probe.bind((door.source, 0))
        if door.proto == "udp":
            probe.connect((door.address, door.port))
            probe.send(b"knock")
        elif probe.connect_ex((door.address, door.port)) not in (0, errno.EINPROGRESS):
            raise OSError(f"no way from {door.source} to {door.address}")
        return probe

    def _sight(self, door: Door, probe: socket.socket) -> Sight | None:
        """What there is to be seen so far."""
        if door.proto == "tcp":
            refused = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return Sight.REFUSED if refused else Sight.REACHED
        listener = self._datagrams[door.address, door.port]
        with suppress(BlockingIOError):
            while True:
                _, sender = listener.recvfrom(64)
                if sender[:2] == probe.getsockname()[:2]:
                    return Sight.REACHED
        return None


def _writable(waiting: dict[Door, socket.socket], seconds: float) -> list[Door]:
    """Those whose connection has been decided; datagrams always, after a moment."""
    with selectors.DefaultSelector() as selector:
        for door, probe in waiting.items():
            if door.proto == "tcp":
                selector.register(probe, selectors.EVENT_WRITE, door)
        if selector.get_map():
            ready = [key.data for key, _ in selector.select(seconds)]
        else:
            time.sleep(seconds)
            ready = []
    return ready + [door for door in waiting if door.proto == "udp"]
