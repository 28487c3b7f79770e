"""How long a caller waits: from sending the packet to a connection, on an idle server."""

from __future__ import annotations

import time

from bench import packets
from bench.figures import Goal, Unit, quantile
from bench.sending import is_open, seconds_until_open, send_one, settle
from bench.servers import Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

_PATIENCE = 3.0  # seconds


def measure(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    settle(server)
    callers = packets.fresh_addresses(effort.of(50, 20))
    if is_open(server, callers[0]):
        raise NotMeasuredError("the service is open to everybody")
    waits = [_one(server, caller) for caller in callers]
    return Round(
        {"latency.median": quantile(waits, 0.5), "latency.p95": quantile(waits, 0.95)},
        raw={"seconds": waits},
    )


def _one(server: Server, caller: str) -> float:
    packet = packets.sealed(caller)
    time.sleep(0.02)  # an idle server, not one that is still writing
    began = time.perf_counter()
    send_one(server, packet, caller)
    waited = seconds_until_open(server, caller, began, limit=_PATIENCE)
    if waited is None:
        raise NotMeasuredError(f"a valid packet opened nothing within {_PATIENCE:.0f} s")
    return waited


ROWS = (
    Row(
        "latency",
        (
            Line(
                "latency.median",
                "packet sent to successful connect, idle server: median",
                Unit.TIME,
                Goal(times=8),
            ),
            Line("latency.p95", "the same: 95th percentile", Unit.TIME, Goal(times=6)),
        ),
        Rounds(full=5, quick=3),
        measure,
    ),
)
