"""What a server uses when nothing happens: processor time and memory."""

from __future__ import annotations

import time

from bench import packets
from bench.figures import Goal, Unit
from bench.live import by_packets, make_live
from bench.sending import settle
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row

MIB = 1024.0**2


def _idle(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    make_live(server, 10_000)
    if isinstance(server, Packaged):
        # One of its own making, so that it has something to look after for certain.
        by_packets(server, packets.fresh_addresses(1))
    settle(server)
    time.sleep(1.0)
    seconds = effort.of(20, 10)
    before = server.account.processor_seconds()
    began = time.monotonic()
    time.sleep(seconds)
    used = server.account.processor_seconds() - before
    return Round({"idle": used / (time.monotonic() - began)})


def _memory_small(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    by_packets(server, packets.fresh_addresses(effort.of(10, 5)))
    return Round({"memory.1": server.memory()}, raw={"processes": len(server.account.pids())})


def _memory_large(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start(10_000)
    make_live(server, effort.of(5_000, 1_000))
    return Round({"memory.10000": server.memory()})


ROWS = (
    Row(
        "idle",
        (
            Line(
                "idle",
                "CPU in each second without packets, 10,000 live grants",
                Unit.TIME,
                Goal(bound=0.0003),
            ),
        ),
        Rounds(full=1, quick=0),
        _idle,
    ),
    Row(
        "memory.1",
        (Line("memory.1", "memory, 1 stanza", Unit.SIZE, Goal(bound=80 * MIB)),),
        Rounds(full=2, quick=1),
        _memory_small,
    ),
    Row(
        "memory.10000",
        (
            Line(
                "memory.10000",
                "memory, 10,000 stanzas and 5,000 live grants",
                Unit.SIZE,
                Goal(bound=120 * MIB),
            ),
        ),
        Rounds(full=2, quick=0),
        _memory_large,
    ),
)
