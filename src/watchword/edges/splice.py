"""Joins a connection to standard input and output, or hands it to another program.

In here: bytes in both directions, each end of which is passed on by itself.
Not in here: making the connection (edges.dial).

Each direction has a thread with blocking calls: nothing polls, and a reader that
is slow holds up only its own direction. No descriptor is made blocking or non-blocking,
for those of standard input and output are shared with whoever gave them to us; one that
is non-blocking is waited for.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from contextlib import suppress
from typing import Final

from watchword.errors import HostError, OperatorError

_CHUNK: Final = 1 << 16  # bytes; what a pipe holds
_FULL: Final = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
"""Any other error is of a reader who has gone, which is how things end."""


def splice(connection: socket.socket, source: int = 0, sink: int = 1) -> None:
    """Pass bytes on until both directions have ended, or nobody takes ours any more.

    The end of ``source`` closes our direction of the connection, and the end of the
    connection closes ``sink``; the other direction goes on.

    Raises HostError: the connection broke, or the disk that ``sink`` is on is full.
    """
    import threading  # noqa: PLC0415  (loads while nobody waits for it)

    up = threading.Thread(target=_pass_up, args=(source, connection), daemon=True)
    up.start()
    if _pass_down(connection, sink):
        up.join()
    connection.close()


def _pass_up(source: int, connection: socket.socket) -> None:
    with suppress(OSError):  # the other side has gone: what it still sends comes down first
        while octets := _read(source):
            connection.sendall(octets)
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, _CHUNK)
        except BlockingIOError:
            select.select([source], [], [])


def _pass_down(connection: socket.socket, sink: int) -> bool:
    """Until the connection ends; False: nobody reads the sink any more."""
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while count := _receive(connection, buffer):
        try:
            _write(sink, view[:count])
        except OSError as error:
            if error.errno in _FULL:
                lost = f"standard output cannot be written: {error.strerror}"
                raise HostError(lost, hint="make room where it goes") from error
            return False
    _end(sink)
    return True


def _receive(connection: socket.socket, buffer: bytearray) -> int:
    try:
        return connection.recv_into(buffer)
    except OSError as error:
        raise HostError(f"the connection broke: {error.strerror}", hint="connect again") from error


def _write(sink: int, octets: memoryview) -> None:
    while octets:
        try:
            octets = octets[os.write(sink, octets) :]
        except BlockingIOError:
            select.select([], [sink], [])


def _end(sink: int) -> None:
    """Let the reader see the end, and keep the number from being given to anything else."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sink)
    os.close(nowhere)


def hand_over(connection: socket.socket, sink: int = 1) -> None:
    """Pass the connection itself to the program at the other end of a Unix socket.

    Raises OperatorError: ``sink`` is no such socket, or this system has none.
    """
    try:
        with socket.socket(fileno=os.dup(sink)) as channel:
            socket.send_fds(channel, [b"\0"], [connection.fileno()])
    except (OSError, AttributeError) as error:
        raise OperatorError(
            "standard output is not a socket that takes a connection",
            hint="--fdpass is for ssh with ProxyUseFdpass yes; leave it out elsewhere",
        ) from error
    connection.close()
