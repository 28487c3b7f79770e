"""What the kernel says of attempts at the doors that it follows: a group of its log.

In here: reading the group. Not in here: joining it (log_group), the rules that log
(edges.firewall.nft.doors), what becomes of it (service.knock.kernel).

The first bytes of a packet come with each line, of which its sender is read; nobody but the kernel
sends them. Nothing is opened by them: whom the kernel let in stands in its sets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Final

from watchword.edges.capture import log_group
from watchword.edges.capture.log_group import DATAGRAM, PACKET
from watchword.edges.firewall.nft.attributes import decode, fields, read_text
from watchword.edges.firewall.nft.doors import PREFIX, SNAP
from watchword.errors import HostError
from watchword.model.doors import KernelStep

BATCH: Final = 256
_PAYLOAD, _PREFIX = 9, 10  # of packets


def joined(group: int) -> socket.socket:
    """A socket that hears a group. Raises HostError: somebody else does, or it is not allowed."""
    try:
        return log_group.joined(group, SNAP)
    except OSError as error:
        raise HostError(
            f"cannot hear of the kernel's doors (NFLOG group {group}): {error.strerror}",
            hint="run this with CAP_NET_ADMIN; or give it another NFT_TABLE, if another daemon "
            "has one of that name",
        ) from error


class DoorLog:
    """One group."""

    def __init__(self, sock: socket.socket) -> None:
        """``sock``: as ``joined`` makes it."""
        self._sock = sock
        self._ready = asyncio.Event()
        self._lost = False
        """Whether the kernel had no room for some lines."""

    async def batches(self) -> AsyncIterator[Sequence[KernelStep]]:
        """What each wake-up brought; nothing, where lines may have been lost."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock, self._ready.set)
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                if self._sock.fileno() < 0:
                    return
                steps = self._drain()
                if self._lost and steps:
                    yield ()
                self._lost = False
                yield steps
        finally:
            self.close()

    def _drain(self) -> list[KernelStep]:
        found: list[KernelStep] = []
        for _ in range(BATCH):
            try:
                datagram = self._sock.recv(DATAGRAM)
            except BlockingIOError:
                return found
            except OSError:
                self._lost = True
                continue
            for message in decode(datagram):
                if message.kind == PACKET and (step := _step(fields(message.attributes))):
                    found.append(step)
        self._ready.set()  # there may be more
        return found

    def close(self) -> None:
        """Hear nothing any more."""
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._ready.set()


def _step(told: dict[int, bytes]) -> KernelStep | None:
    """``ww:3:2`` is the second right knock at door 3; None: nothing of ours."""
    stem, _, rest = read_text(told.get(_PREFIX, b"")).partition(PREFIX)
    door, _, stage = rest.partition(":")
    source = _source(told.get(_PAYLOAD, b""))
    if stem or source is None or not (door.isdecimal() and stage.isdecimal()):
        return None
    return KernelStep(int(door), source, int(stage))


def _source(header: bytes) -> bytes | None:
    if len(header) >= 20 and header[0] >> 4 == 4:
        return header[12:16]
    return header[8:24] if len(header) >= 40 and header[0] >> 4 == 6 else None
