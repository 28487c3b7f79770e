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
    return _measured(server, effort, "latency")


def measure_sniffing(server: Server, effort: Effort) -> Round:
    server.clear()
    server.sniffs = True
    return _measured(server, effort, "sniffing")


def _measured(server: Server, effort: Effort, key: str) -> Round:
    server.start()
    settle(server)
    callers = packets.fresh_addresses(effort.of(50, 20))
    if is_open(server, callers[0]):
        raise NotMeasuredError("the service is open to everybody")
    waits = [_one(server, caller) for caller in callers]
    return Round(
        {f"{key}.median": quantile(waits, 0.5), f"{key}.p95": quantile(waits, 0.95)},
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
    Row(
        "sniffing",
        (
            Line(
                "sniffing.median",
                "packet sent to successful connect, no port open: median",
                Unit.TIME,
                Goal(times=20),
            ),
            Line("sniffing.p95", "the same: 95th percentile", Unit.TIME, Goal(times=10)),
        ),
        Rounds(full=3, quick=1),
        measure_sniffing,
    ),
)
