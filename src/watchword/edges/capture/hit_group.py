"""Hits from the firewall's own log by netlink (``nft ... log group 5``, ``-j NFLOG``).

In here: hits out of a group. Not in here: joining and reading it (log_group), the packet's bytes
(wire.hits).

Whole packets come, and nobody but the kernel sends them: so this works inside a network namespace,
where the kernel's LOG is silent, and no line can be made up.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from watchword.edges.capture import log_group
from watchword.edges.capture.links import name_of
from watchword.edges.capture.wakings import Wakings
from watchword.edges.firewall.nft.attributes import read_number
from watchword.errors import HostError
from watchword.model.filters import Filter
from watchword.model.hits import Hit
from watchword.ports import Clock, HitSource, Interest
from watchword.wire.hits import LONGEST, hit_of

_STAMP, _INTERFACE, _PAYLOAD = 3, 4, 9  # of packets
_TIME: Final = struct.Struct("!QQ")
_LONGEST_AGO: Final = 60.0


def joined(group: int) -> socket.socket:
    """A socket that hears what rules log to a group.

    Raises HostError: another program reads that group, or this is not allowed.
    """
    try:
        return log_group.joined(group, LONGEST)
    except OSError as error:
        hint = ""
        if error.errno in (errno.EBUSY, errno.EPERM):
            hint = (
                "run this with CAP_NET_ADMIN; if it does so, another program (ulogd) reads that "
                "group: choose another KNOCK_NFLOG_GROUP"
            )
        raise HostError(f"cannot read NFLOG group {group}: {error.strerror}", hint=hint) from error


class GroupSource:
    """One group."""

    def __init__(self, group: int, clock: Clock, sock: socket.socket) -> None:
        """``sock``: as ``joined`` makes it."""
        self.name = f"nflog/{group}"
        self._clock = clock
        self._sock = sock
        self._lost = self._stray = 0
        self._wakings = Wakings()

    @property
    def awaited(self) -> tuple[str, ...]:
        return ()

    async def batches(self) -> AsyncIterator[Sequence[tuple[float, Hit]]]:
        if self._wakings.closed:
            return
        self._wakings.watch(self._sock.fileno())
        try:
            while await self._wakings.come():
                if batch := self._drain():
                    yield batch
                    self._wakings.stir()  # there may be more
                    await asyncio.sleep(0)  # others have their turn
        finally:
            self._close()

    def _drain(self) -> list[tuple[float, Hit]]:
        found, lost = log_group.waiting(self._sock)
        self._lost += lost
        return [hit for told in found if (hit := self._hit(told))]

    def _hit(self, told: Mapping[int, bytes]) -> tuple[float, Hit] | None:
        interface = name_of(read_number(told.get(_INTERFACE, b"\0")))
        hit = hit_of(told.get(_PAYLOAD, b""), interface)
        if hit is None:
            self._stray += 1
            return None
        now = self._clock.now()
        ago = 0.0
        if len(stamp := told.get(_STAMP, b"")) == _TIME.size:
            seconds, parts = _TIME.unpack(stamp)
            ago = min(max(now.wall - seconds - parts / 1e6, 0.0), _LONGEST_AGO)
        return now.steady - ago, hit

    def hear(self, wanted: Filter | None) -> None:
        """The rules of the firewall say what is logged."""

    def narrow(self, interest: Interest) -> None:
        """That is about packets with a payload."""

    def dropped(self) -> Mapping[str, int]:
        return {"no hits": self._stray, "kernel: no room for logged ones": self._lost}

    async def aclose(self) -> None:
        self._close()
        await asyncio.sleep(0)

    def _close(self) -> None:
        self._wakings.close()
        self._sock.close()


_: type[HitSource] = GroupSource
