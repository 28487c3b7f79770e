"""How much a gate can have the hand do at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

from tests.values import NOW
from watchword.edges.clock import FakeClock
from watchword.edges.pair import Channel
from watchword.edges.report.lines import MemoryReporter
from watchword.model.openings import Hole
from watchword.model.orders import Cut
from watchword.model.services import Service
from watchword.service.apart import letters
from watchword.service.apart.hand_process import HandProcess

CUT = letters.order(0, Cut((Hole(ip_address("198.51.100.2"), Service.parse("tcp/22")),)))


class Slow:
    """Stands for the counter: each order takes until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Semaphore(0)
        self.begun = 0

    def may_take_long(self, _: object) -> bool:
        return True

    def serve(self, _: object) -> tuple[int, list[int]]:
        self.begun += 1
        self.let_go.acquire()
        return 7, []


def test_a_gate_that_does_not_wait_for_answers_has_one_thing_done_at_a_time() -> None:
    async def scene() -> None:
        gate, ours = (Channel(each) for each in socket.socketpair())
        other, work = (Channel(each) for each in socket.socketpair())
        book = SimpleNamespace(now=SimpleNamespace(firewall=None, prepared=False))
        hand = HandProcess(
            cast("Any", book), ours, work, MemoryReporter(), FakeClock(*NOW),
            workshop=lambda *_: cast("Any", None), ready=lambda: None, alive=lambda: None,
            awaiting=lambda _: None,
        )  # fmt: skip
        slow = hand._counter = cast("Any", Slow())
        hand._loop = asyncio.get_running_loop()
        hand._loop.add_reader(ours.sock, hand._on_call)
        for _ in range(100):
            gate.send(CUT)
        try:
            for done in range(1, 4):
                while slow.begun < done:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.02)  # whatever else it might begin
                assert (slow.begun, len(hand._tasks)) == (done, 1)
                slow.let_go.release()
                await asyncio.to_thread(gate.receive)
        finally:
            hand._over.set()
            slow.let_go.release(200)
        while hand._tasks:
            await asyncio.sleep(0.001)
        for each in (gate, ours, other, work):
            each.sock.close()

    asyncio.run(asyncio.wait_for(scene(), 60))
