"""Answers those who collect metrics: one page, at a Unix socket or a port on loopback.

In here: who may ask, how much, how long and in which words; the socket.
Not in here: the page (service.daemon.metrics).

A minimum of HTTP: ``GET /metrics``, one answer for each connection, and then it is closed. The
Host of a request to a port has to name this host by number or as localhost, so that no web page
in a browser here can read the answer under a name of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from watchword.edges.socket_paths import reached
from watchword.errors import HostError
from watchword.model.settings import MetricsPlace, UnixSocket

LONGEST: Final = 8192  # bytes of a request
PATIENCE: Final = 2.0  # seconds for a request to come, and for an answer to be taken
AT_ONCE: Final = 8  # questions under way
_HOSTS: Final = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})
_SAID: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
}
_PATH: Final = b"/metrics"


def give(path: Path, group: int | None) -> None:
    """Let root and this group use a socket, and nobody else. Raises OSError."""
    path.chmod(0o600)
    if group is not None:
        os.chown(path, -1, group)
        path.chmod(0o660)


def bound(place: MetricsPlace, group: int | None) -> socket.socket:
    """A socket at that place, at which nobody listens yet.

    A Unix socket is for root and, if there is a ``group``, its members. Raises OSError.
    """
    if isinstance(place, UnixSocket):
        _clear(place.path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        family = socket.AF_INET6 if place.address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if isinstance(place, UnixSocket):
            with reached(place.path) as name:
                sock.bind(name)
            give(place.path, group)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(place.address), place.port))
    except OSError:
        sock.close()
        raise
    return sock


class Scrapes:
    """Serves one page until it is closed."""

    def __init__(
        self,
        page: Callable[[], str],
        kind: str,
        bound: Callable[[MetricsPlace, int | None], socket.socket] = bound,
        give: Callable[[Path, int | None], None] = give,
    ) -> None:
        """``kind`` is the page's content type; ``bound`` makes the socket, ``give`` lets another
        group at it."""
        self._bound = bound
        self._give = give
        self._page = page
        self._kind = kind
        self._server: asyncio.Server | None = None
        self._place: MetricsPlace | None = None
        self._path: Path | None = None
        self._busy = 0

    async def bind(self, place: MetricsPlace, group: int | None = None) -> None:
        """Take the socket; nobody is answered yet.

        A Unix socket is for root and, if there is a ``group``, its members. Raises HostError:
        the socket cannot be made.
        """
        try:
            sock = self._bound(place, group)
            start: Callable[..., Coroutine[Any, Any, asyncio.Server]] = asyncio.start_server
            if isinstance(place, UnixSocket):
                self._path = place.path
                start = asyncio.start_unix_server
            self._server = await start(self._serve, sock=sock, limit=LONGEST, start_serving=False)
        except OSError as error:
            await self.aclose()
            raise _refused(place, error) from error
        self._place = place

    async def serve(self) -> None:
        """Begin to answer. Raises HostError: somebody was quicker to listen there."""
        if self._server is None:
            return  # closed again meanwhile
        try:
            await self._server.start_serving()
        except OSError as error:
            raise _refused(self._place, error) from error

    def admit(self, group: int | None) -> None:
        """At a Unix socket, let this group ask from now on, and no other. Raises HostError."""
        if self._path is None:
            return
        try:
            self._give(self._path, group)
        except OSError as error:
            raise _refused(self._place, error) from error

    async def aclose(self) -> None:
        """Answer no more. What is under way ends by itself, soon."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            if self._busy <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head, local=self._path is not None))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()  # somebody who does not speak, or too much
        finally:
            self._busy -= 1
            writer.close()

    def _answer(self, head: bytes, *, local: bool) -> bytes:
        status = _judge(head, local=local)
        page = self._page() if status == 200 else f"{_SAID[status]}\n"
        kind = self._kind if status == 200 else "text/plain; charset=utf-8"
        body = page.encode("utf-8")
        allow = "Allow: GET\r\n" if status == 405 else ""
        lines = (
            f"HTTP/1.1 {status} {_SAID[status]}\r\n{allow}Content-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return lines.encode("ascii") + body


def _refused(place: MetricsPlace | None, error: OSError) -> HostError:
    return HostError(
        f"cannot serve metrics at {place}: {error.strerror or error}",
        hint="free that place, or name another in fwknopd.conf",
    )


def _judge(head: bytes, *, local: bool) -> int:
    """The status of the answer to a request."""
    first, *rest = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return 400
    hosts = [
        value.strip().lower()
        for name, _, value in (line.partition(b":") for line in rest)
        if name.lower() == b"host"
    ]
    if len(hosts) > 1 or (words[2] == b"HTTP/1.1" and not hosts):
        return 400
    if not local and hosts and _without_port(hosts[0]) not in _HOSTS:
        return 421
    if words[1].partition(b"?")[0] != _PATH:
        return 404
    return 200 if words[0] == b"GET" else 405


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def _clear(path: Path) -> None:
    """Remove a socket that nobody serves any more. OSError: it is something else, or served."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(0, "something that is no socket is there")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PATIENCE)
        try:
            with reached(path) as name:
                probe.connect(name)
        except ConnectionRefusedError:
            path.unlink()
            return
    raise FileExistsError(0, "somebody answers there already")
