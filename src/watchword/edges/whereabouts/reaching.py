"""What every way of asking shares: a limit in time, names to addresses, a connection.

In here: the deadline of one resolver, lookups that respect it.
Not in here: what is said over a connection (web, stun_server, name_server).
"""

from __future__ import annotations

import socket
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeAlias

from watchword.edges import doubtful
from watchword.errors import HostError

SECONDS: Final = 10.0
"""For one resolver, from the lookup of its name to the end of its answer."""

Endpoint: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


class Deadline:
    """The instant until which one resolver may take."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds from now, ``most`` at the most. Raises HostError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.passed()
        return left if most is None else min(left, most)

    def passed(self) -> HostError:
        """The error that says so."""
        return HostError(f"there was no answer within {self._seconds:g} seconds")


def addresses(
    host: str, port: int, version: int, kind: socket.SocketKind, deadline: Deadline
) -> list[Endpoint]:
    """The addresses of a host in one family, in the system's order, one at least.

    Raises HostError.

    The system may look for minutes and cannot be stopped; it is left alone with that.
    """
    if doubtful.is_doubtful(host):
        raise HostError(f"error in getaddrinfo: {doubtful.REASON}", hint=doubtful.REMEDY)
    answers: SimpleQueue[list[Endpoint] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, _FAMILIES[version], kind)
            answers.put([each[4] for each in found if isinstance(each[4][0], str)])
        except (OSError, ValueError) as error:
            answers.put(error)

    Thread(target=look_up, name="lookup", daemon=True).start()
    try:
        found = answers.get(timeout=deadline.left())
    except Empty:
        raise HostError(f"error in getaddrinfo: {host} was not found in time") from None
    if isinstance(found, Exception):
        reason = found.strerror if isinstance(found, OSError) else "not a host name"
        hint = f"only IPv{version} addresses were looked for"
        raise HostError(f"error in getaddrinfo: {reason}", hint=hint) from found
    if not found:
        raise HostError(f"error in getaddrinfo: {host} has no IPv{version} address")
    return found


def connected(
    host: str, port: int, version: int, kind: socket.SocketKind, deadline: Deadline
) -> socket.socket:
    """A socket that is connected to the first address of a host that lets itself be connected to.

    Whoever takes it closes it. Raises HostError if there is none.
    """
    reason = "no address"
    for endpoint in addresses(host, port, version, kind, deadline):
        channel = socket.socket(_FAMILIES[version], kind)
        try:
            channel.settimeout(deadline.left())
            channel.connect(endpoint)
        except OSError as error:
            channel.close()
            reason = f"{endpoint[0]}: {error.strerror or error}"
        except BaseException:
            channel.close()
            raise
        else:
            return channel
    raise HostError(reason)
