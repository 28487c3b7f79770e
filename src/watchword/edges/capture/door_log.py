"""What the kernel says of attempts at the doors that it follows: a group of its log.

In here: steps out of the group. Not in here: joining and reading it (log_group), the rules that
log (edges.firewall.nft.one_door), what becomes of it (service.knock.kernel).

The first bytes of a packet come with each line, of which its sender is read; nobody but the kernel
sends them. Nothing is opened by them: whom the kernel let in stands in its sets.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence

from watchword.edges.capture import log_group
from watchword.edges.capture.wakings import Wakings
from watchword.edges.firewall.nft.attributes import read_text
from watchword.edges.firewall.nft.one_door import PREFIX, SNAP
from watchword.errors import HostError
from watchword.model.doors import KernelStep

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
        self._lost = 0
        """How often the kernel had no room for lines."""
        self._wakings = Wakings()

    async def batches(self) -> AsyncIterator[Sequence[KernelStep]]:
        """What each wake-up brought; nothing, where lines may have been lost."""
        if self._wakings.closed:
            return
        self._wakings.watch(self._sock.fileno())
        try:
            while await self._wakings.come():
                before, steps = self._lost, self._drain()
                if self._lost > before and steps:
                    yield ()
                yield steps
        finally:
            self.close()

    def _drain(self) -> list[KernelStep]:
        found, lost = log_group.waiting(self._sock)
        self._lost += lost
        return [step for told in found if (step := _step(told))]

    def close(self) -> None:
        """Hear nothing any more."""
        self._wakings.close()
        self._sock.close()


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
