"""Passes bytes on between two sockets, in both directions, many pairs in one thread.

In here: bytes that stay in the kernel where it can do that (Linux), and each end passed on by
itself. Not in here: standard input and output (splice), who is joined to whom (service.front).
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

_CHUNK: Final = 1 << 16  # bytes; what a pipe holds
_MOVE: Final = 3  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK


async def join(one: socket.socket, other: socket.socket) -> None:
    """Until both directions have ended, or the connection broke. Both are non-blocking.

    The end of one direction is passed on, and the other one goes on. Closes neither.
    """
    ways = [asyncio.ensure_future(_way(one, other)), asyncio.ensure_future(_way(other, one))]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for each in done:
            with suppress(OSError):
                each.result()
    finally:
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _way(source: socket.socket, sink: socket.socket) -> None:
    """Raises OSError: the connection broke."""
    if hasattr(os, "splice"):
        await _spliced(source, sink)
    else:
        loop = asyncio.get_running_loop()
        while octets := await loop.sock_recv(source, _CHUNK):
            await loop.sock_sendall(sink, octets)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


async def _spliced(source: socket.socket, sink: socket.socket) -> None:
    taken, given = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        while count := await _taken(source, given):
            while count:
                count -= await _given(taken, sink, count)
    finally:
        os.close(taken)
        os.close(given)


async def _taken(source: socket.socket, pipe: int) -> int:
    while True:
        try:
            return os.splice(source.fileno(), pipe, _CHUNK, flags=_MOVE)
        except BlockingIOError:
            await _ready(source.fileno(), writing=False)


async def _given(pipe: int, sink: socket.socket, count: int) -> int:
    while True:
        try:
            return os.splice(pipe, sink.fileno(), count, flags=_MOVE)
        except BlockingIOError:
            await _ready(sink.fileno(), writing=True)


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def set_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if writing else loop.add_reader)(descriptor, set_ready)
    try:
        await ready
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)
