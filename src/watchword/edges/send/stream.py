"""TCP: connect, send the packet, close.

In here: what shows that the server has it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from typing import Final

from watchword.edges.send.connections import Connection
from watchword.edges.send.relays import open_way
from watchword.edges.send.sent import NO_SIGN, Sent
from watchword.model.routes import Route

_LOOK: Final = 0.02
"""Seconds between two looks at what is not acknowledged yet."""


def send(payload: bytes, route: Route, *, confirm: bool) -> Sent:
    """Send a payload over a connection of its own. Raises HostError."""
    with open_way(route) as connection:
        connection.say(payload)
        connection.end()
        place = connection.place
        if not confirm:
            return Sent(place[0], place[1], len(payload))
        sign = _sign(connection, route)
    return Sent(place[0], place[1], len(payload), bool(sign), sign or NO_SIGN)


def _sign(connection: Connection, route: Route) -> str:
    """What shows that the packet arrived; empty if nothing does within the time.

    Behind a relay, an acknowledgement is the relay's, so only the end of the
    connection counts: servers end it when they have heard everything.
    """
    if route.relay is None and _acknowledged(connection):
        return "the server acknowledged it"
    with contextlib.suppress(OSError):
        connection.hear(1)
        return "the server answered or ended the connection"
    return ""


def _acknowledged(connection: Connection) -> bool:
    """Whether the server's system has all of it; False where this machine cannot tell.

    Raises OSError if the connection broke before.
    """
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415  (not on every system)
    import termios  # noqa: PLC0415

    channel = connection.channel
    with contextlib.suppress(TimeoutError):
        while connection.deadline.left():
            waiting = fcntl.ioctl(channel.fileno(), termios.TIOCOUTQ, b"\0" * 4)
            if struct.unpack("i", waiting)[0] == 0:
                return True
            if broken := channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(broken, os.strerror(broken))
            time.sleep(_LOOK)
    return False
