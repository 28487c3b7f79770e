"""What goes over the loopback of a host while a program runs: listeners, and every frame.

In here: opening them before the run, and what was carried, put together afterwards.
Not in here: what should have been carried (carriers), frames to packets (wire.frames).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

from watchword.lab.hosts import Host
from watchword.lab.sockets import inside, listen
from watchword.wire.frames import ICMP, ICMPV6, TCP, Link, packet_of

_EVERY_PROTOCOL: Final = 3  # ETH_P_ALL, in network byte order below
_OUTGOING: Final = 4  # PACKET_OUTGOING: on a loopback every frame is seen twice
_ETHERNET: Final = 14
_BUFFER: Final = 1 << 20
_HEARING: Final = 5.0  # seconds for a client to say what it wants
SETTLE: Final = 0.3
"""Seconds without a frame after which nothing more is expected."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A payload with what carried it; of a TCP connection, all that went one way."""

    protocol: int
    source: str
    source_port: int
    destination: str
    port: int
    payload: bytes
    kind: tuple[int, int] | None = None
    """Type and code, of ICMP."""


class Wiretap:
    """A context in which everything on the loopback is kept."""

    def __init__(self, host: Host, ports: Iterable[int]) -> None:
        """``ports`` have somebody listening, of both families, so that TCP connections are made."""
        self._host = host
        self._ports = tuple(ports)
        self._open = ExitStack()
        self._asked: set[tuple[int, int]] = set()
        """Ports of TCP connections up to the last call."""

    def __enter__(self) -> Wiretap:
        for port in self._ports:
            for address in ("127.0.0.1", "::1"):
                listener = self._open.enter_context(closing(listen(self._host, address, port)))
                threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        self._tap = self._open.enter_context(closing(inside(self._host, _tap)))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def carried(self) -> list[Carried]:
        """Everything with a payload that was sent since the last call, connections put together.

        What answers something that was carried before is left out: it is late.
        """
        found: list[Carried] = []
        for frame in self._frames():
            packet = packet_of(frame, Link.ETHERNET)
            if packet is None:
                continue
            one = Carried(
                packet.protocol, packet.peer, packet.peer_port, packet.local, packet.local_port,
                packet.payload, _kind(frame) if packet.protocol in (ICMP, ICMPV6) else None,
            )  # fmt: skip
            if one.protocol != TCP or (one.port, one.source_port) not in self._asked:
                _append(found, one)
        self._asked |= {(each.source_port, each.port) for each in found if each.protocol == TCP}
        return found

    def _frames(self) -> Iterator[bytes]:
        limit = time.monotonic() + SETTLE
        while True:
            late = time.monotonic() >= limit
            self._tap.settimeout(0.0 if late else 0.05)
            try:
                frame, (_, _, direction, *_) = self._tap.recvfrom(65536)
            except (TimeoutError, BlockingIOError):
                if late:  # and all that was there has been taken out, however long that took
                    return
                continue
            if direction != _OUTGOING:
                yield frame


def _answer(listener: socket.socket) -> None:
    """Answer whoever connects as a web server does, so that no client waits in vain."""
    with contextlib.suppress(OSError):  # closed
        while True:
            channel, _ = listener.accept()
            with channel, contextlib.suppress(OSError):
                channel.settimeout(_HEARING)
                channel.recv(65536)
                channel.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")


def _tap() -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL))
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    tap.bind(("lo", 0))
    return tap


def _append(found: list[Carried], one: Carried) -> None:
    """Put a segment behind what its connection has carried already."""
    for at, earlier in enumerate(found):
        same = (earlier.protocol, earlier.source_port, earlier.port) == (
            one.protocol, one.source_port, one.port,
        )  # fmt: skip
        if one.protocol == TCP and same:
            joined = earlier.payload + one.payload
            found[at] = Carried(*_ends(earlier), joined)
            return
    found.append(one)


def _ends(one: Carried) -> tuple[int, str, int, str, int]:
    return one.protocol, one.source, one.source_port, one.destination, one.port


def _kind(frame: bytes) -> tuple[int, int]:
    ip = frame[_ETHERNET:]
    header = (ip[0] & 0x0F) * 4 if ip[0] >> 4 == 4 else 40
    return ip[header], ip[header + 1]
