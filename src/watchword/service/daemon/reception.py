"""Takes what sockets drained to the gate, a slice of time at a time.

In here: how long packets are tried before the sockets, the timers and the
grants have their turn again; the second in which floods are told.
Not in here: who is served first (lobby), what happens to a packet (gate).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from watchword.ports import Clock, PacketSource, Reporter
from watchword.service.daemon.gate import Gate
from watchword.service.daemon.lobby import Lobby
from watchword.service.daemon.restraint import Restraint
from watchword.service.daemon.twins import Twins

SLICE = 0.0005  # seconds of trying before the sockets are looked at again
FEW = 64  # packets that are tried as they come, if nobody waits


class Reception:
    """Between the sources and the gate, which a reload replaces."""

    def __init__(
        self,
        gate: Gate,
        lobby: Lobby,
        clock: Clock,
        *,
        limit: int = 0,
        reached: Callable[[], None] = lambda: None,
    ) -> None:
        """``reached`` is called when as many packets as ``limit`` were tried; 0: never."""
        self.gate = gate
        self._lobby = lobby
        self._clock = clock
        self._going_on = False
        self._left = limit
        self._limited = limit > 0
        self._reached = reached
        self.twins: Twins | None = None
        """None: no packet can be seen twice, so nobody looks for that."""

    def turn_to(self, gate: Gate) -> None:
        """Take packets to this gate from now on."""
        self.gate = gate

    async def receive(self, source: PacketSource) -> None:
        """Serve a source until it is closed."""
        async for arrived in source.batches():
            batch = arrived
            if self.twins is not None:
                batch = self.twins.without(arrived, id(source), self._clock.now().steady)
            if self._limited:
                batch = batch[: self._left]
                self._left -= len(batch)
            if len(batch) <= FEW and not self._lobby.count:
                self.gate.receive(batch)
            else:
                self._lobby.arrive(batch, self._clock.now().steady)
                if not self._going_on:
                    self._serve()
            if self._limited and not self._left:
                while self._lobby.count:
                    await asyncio.sleep(0)
                self._reached()
                return

    def _serve(self) -> None:
        """Try what waits for one slice of time; go on after everything else had its turn."""
        end = time.perf_counter() + SLICE
        lobby, gate = self._lobby, self.gate
        now = self._clock.now()
        while lobby.count and time.perf_counter() < end:
            gate.judge(lobby.take(), now)
        self._going_on = lobby.count > 0
        if self._going_on:
            asyncio.get_running_loop().call_soon(self._serve)


async def tell_floods(restraint: Restraint, reporter: Reporter, clock: Clock) -> None:
    """Say once a second what was counted and not told, until cancelled."""
    while True:
        await restraint.stirred.wait()
        await asyncio.sleep(1.0)
        now = clock.now()
        for flood in restraint.close_second(now.steady, now.wall):
            reporter.report(flood)
