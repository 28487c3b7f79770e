"""TCP connections to servers and relays, within a limit of time.

In here: a connection on which nothing takes longer than its deadline, made to
the first of several addresses that answers.
Not in here: what is said on it (stream, web, relays).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Final

from watchword.edges.send import names
from watchword.edges.send.names import Place
from watchword.edges.send.sent import NOT_SENT
from watchword.errors import HostError
from watchword.model.routes import Route, endpoint

PATIENCE: Final = 10.0
"""Seconds for everything on one connection together: connecting, relays, TLS, an answer."""


class Deadline:
    """A moment on the steady clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError when it is over."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class Connection:
    """A TCP or TLS connection. Every method raises OSError, TimeoutError among them."""

    def __init__(self, channel: socket.socket, place: Place, deadline: Deadline) -> None:
        self.channel = channel
        self.place = place
        self.deadline = deadline

    @property
    def silence(self) -> str:
        """What to say of somebody who did not answer."""
        return f"did not answer within {self.deadline.seconds:g} seconds"

    def say(self, octets: bytes) -> None:
        self.channel.settimeout(self.deadline.left())
        self.channel.sendall(octets)

    def hear(self, most: int) -> bytes:
        """What has come, ``most`` bytes at the most; empty when the other side has ended."""
        self.channel.settimeout(self.deadline.left())
        return self.channel.recv(most)

    def hear_exactly(self, count: int) -> bytes:
        """So many bytes. Raises EOFError if the other side ends before."""
        heard = b""
        while len(heard) < count:
            piece = self.hear(count - len(heard))
            if not piece:
                raise EOFError
            heard += piece
        return heard

    def end(self) -> None:
        """Say that nothing more comes; what does come can still be heard."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.channel.close()


def reach(host: str, port: int, route: Route, deadline: Deadline) -> Connection:
    """Connect to a host, as the route's family and source port say.

    Raises HostError: none of its addresses answers, in fwknop's words.
    """
    found = list(names.looked_up(host, port, route.family))
    reason = "no address"
    for tried, (kind, place) in enumerate(found):
        try:
            # A silent address leaves time for those behind it.
            share = deadline.left() / (len(found) - tried)
            return Connection(_connected(kind, place, route.source_port, share), place, deadline)
        except OSError as error:
            reason = _reason(error)
    from_port = f" from port {route.source_port}" if route.source_port else ""
    asked = ", ".join(endpoint(place[0], place[1]) for _, place in found)
    who = "the proxy" if route.relay else "somebody"
    raise HostError(
        f"send_spa_packet_tcp_or_udp: Could not create socket: {reason}\n{NOT_SENT}",
        hint=f"tried {asked}{from_port}: see that {who} listens there",
    )


@contextlib.contextmanager
def reached(host: str, port: int, route: Route) -> Iterator[Connection]:
    """The same, closed at the end. An OSError inside is raised as HostError."""
    connection = reach(host, port, route, Deadline(PATIENCE))
    try:
        yield connection
    except OSError as error:
        where = connection.place[0]
        raise HostError(
            f"send_spa_packet: {where}: {_reason(error)}\n{NOT_SENT}",
            hint="try again, or another carrier: -P udp",
        ) from error
    finally:
        connection.close()


def _connected(kind: int, place: Place, source_port: int, seconds: float) -> socket.socket:
    channel = socket.socket(kind, socket.SOCK_STREAM)
    try:
        if source_port:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            channel.bind(("", source_port))
        channel.settimeout(seconds)
        channel.connect(place)
    except BaseException:
        channel.close()
        raise
    return channel


def _reason(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
