"""What remembering a million packets costs: each valid packet, and the start."""

from __future__ import annotations

from statistics import median

from bench import packets
from bench.figures import Goal, Unit
from bench.sending import open_all, settle
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row

REMEMBERED = 1_000_000
_BURSTS = 5  # of a thousand packets each


def measure(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    without = _cost(server)
    server.stop()
    server.clear()
    server.remember(REMEMBERED)
    start = server.start()
    return Round({"replay.none": without, "replay.million": _cost(server), "replay.start": start})


def _cost(server: Server) -> float:
    """Processor seconds for each valid packet: the median of some bursts."""
    return median(_burst(server) for _ in range(1 if isinstance(server, Packaged) else _BURSTS))


def _burst(server: Server) -> float:
    settle(server)
    callers = packets.fresh_addresses(30 if isinstance(server, Packaged) else 1_000)
    burst = [packets.sealed(caller) for caller in callers]
    before = server.account.processor_seconds()
    open_all(server, callers, burst, limit=30)
    settle(server)
    return (server.account.processor_seconds() - before) / len(burst)


ROWS = (
    Row(
        "replay",
        (
            Line("replay.none", "CPU for each valid packet, nothing remembered", Unit.TIME),
            Line(
                "replay.million",
                "CPU for each valid packet, 1,000,000 remembered",
                Unit.TIME,
                Goal(against="replay.none", share=1.1),
            ),
            Line(
                "replay.start",
                "start until packets are looked at, 1,000,000 remembered",
                Unit.TIME,
                Goal(bound=1.0),
            ),
        ),
        Rounds(full=2, quick=0),
        measure,
    ),
)
