"""Knocks: a SYN that is not waited for, or a datagram of one byte.

In here: the sockets, the numbers behind the names of services.
Not in here: which knocks, the time between them (service.knock.client).

A TCP knock begins a connection and gives it up at once, so that exactly one SYN
is sent to a closed or silent port (knockd, section 8).
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import Final

from watchword.edges.send import names
from watchword.edges.send.names import Place
from watchword.errors import OperatorError

_NOTHING: Final = b"\0"
_UNDER_WAY: Final = {0, errno.EINPROGRESS, errno.ECONNREFUSED, errno.EAGAIN}


def port_number(text: str, *, udp: bool) -> int:
    """The port that a number or the name of a service means. Raises OperatorError."""
    if text.isascii() and text.isdecimal():
        return int(text)
    for protocol in ("udp", "tcp") if udp else ("tcp", "udp"):
        with suppress(OSError, ValueError):  # ValueError: what no name can be
            return socket.getservbyname(text, protocol)
    raise OperatorError(
        f"there is no service {text!r}", hint="write a number, or a name of /etc/services"
    )


def addresses(host: str, family: int | None) -> list[tuple[int, Place]]:
    """Where a host is, in the system's order. Raises names.UnresolvedError."""
    return list(dict.fromkeys(names.looked_up(host, 0, family)))


def knock(kind: int, place: Place, port: int, *, udp: bool, octets: bytes = _NOTHING) -> str:
    """Send one knock; empty: it is on its way, else why it is not. ``octets``: of a datagram."""
    place = (place[0], port, *place[2:])
    try:
        with socket.socket(kind, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as channel:
            channel.setblocking(False)
            if udp:
                channel.sendto(octets, place)
                return ""
            status = channel.connect_ex(place)
            return "" if status in _UNDER_WAY else os.strerror(status)
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
