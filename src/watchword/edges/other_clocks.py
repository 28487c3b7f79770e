"""Compares our clock with that of another host, if it tells us its time.

In here: the network time protocol, and the date in an answer to a web request.
Not in here: whom to ask (service.doctor.examination), what an answer means (wire.sntp,
wire.web_date).

Nobody is asked whom the caller has not named. What strangers answer is bounded in
size and time.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from watchword.edges import dial, randomness
from watchword.edges.send.names import ascii_name
from watchword.errors import HostError, OperatorError, PeerError
from watchword.wire import sntp, web_date

_MOST: Final = 8192  # bytes of an answer's head; a date stands early in it
_HALF: Final = 0.5  # seconds; a date in an answer has no parts of a second


def by_sntp(address: str, seconds: float, port: int = sntp.PORT) -> float | None:
    """Seconds by which a host's clock is ahead of ours; None: it does not tell."""
    nonce = int(randomness.digits(16))
    end = time.monotonic() + seconds
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.connect(dial.place(address, port))
        sent = time.time()
        channel.send(sntp.question(nonce))
        while (left := end - time.monotonic()) > 0:
            channel.settimeout(left)
            answer = channel.recv(1024)
            with suppress(PeerError):
                return sntp.ahead(answer, nonce, sent, time.time())
    return None


class WebServer(NamedTuple):
    host: str
    port: int
    secure: bool


def web_server(url: str) -> WebServer:
    """Whom a URL names. Raises OperatorError: it is none of a web server."""
    scheme, host, port = "", "", None
    with suppress(ValueError):
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    if scheme not in ("http", "https") or not host:
        raise OperatorError(f"{url!r} is no URL of a web server", hint="http://HOST/")
    secure = scheme == "https"
    return WebServer(host, port or (443 if secure else 80), secure)


def by_web(server: WebServer, seconds: float) -> float | None:
    """The same by the date of a web server's answer, to about a second; None: it tells none."""
    with suppress(HostError):
        address = dial.addresses(server.host)[0]
        return by_web_of(address, server.port, server.host, seconds, secure=server.secure)
    return None


def by_web_of(
    address: str, port: int, host: str, seconds: float, *, secure: bool = False
) -> float | None:
    """The same for a web server of which the address is known."""
    end = time.monotonic() + seconds
    connection = dial.dial(address, port, seconds).connection
    if connection is None:
        return None
    with suppress(OSError, ValueError, PeerError), connection:
        connection.settimeout(max(0.1, end - time.monotonic()))
        if secure:
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=host)
        name = f"[{host}]" if ":" in host else ascii_name(host)
        sent = time.time()
        connection.sendall(f"HEAD / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode("ascii"))
        head = _head(connection, end)
        between = (sent + time.time()) / 2
        return web_date.date(head) + _HALF - between
    return None


def _head(connection: socket.socket, end: float) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MOST and (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        octets = connection.recv(_MOST - len(head))
        if not octets:
            break
        head += octets
    return head
