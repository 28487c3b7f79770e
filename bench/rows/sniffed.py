"""How much of what passes the filter is looked at, taken off the wire, when it comes fast.

Each packet has the right length and form, a bad HMAC, and one of 65,536
addresses; the filter lets all of them pass.
"""

from __future__ import annotations

import time

from bench.figures import Goal, Unit
from bench.rows.flood import flooding
from bench.servers import Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

RATE = 20_000
_QUIET = 1.0  # seconds without a further judgement: all is done
_LIMIT = 60.0


def measure(server: Server, effort: Effort) -> Round:
    server.clear()
    server.sniffs = True
    server.start()
    seconds = effort.of(10, 3)
    used = server.account.processor_seconds()
    with flooding(server, RATE, seconds) as flood:
        sent = flood.sent(seconds + 10)
    judged = _judged(server)
    used = server.account.processor_seconds() - used
    return Round(
        {
            "sniffed.rate": sent / seconds,
            "sniffed.share": judged / sent,
            "sniffed.cpu": used / max(1, judged),
        },
        raw={"sent": sent, "judged": judged, "processor seconds": used},
    )


def _judged(server: Server) -> int:
    """Judged packets, once there are no more of them."""
    until = time.monotonic() + _LIMIT
    before = -1
    while time.monotonic() < until:
        now = server.judged()
        if now == before:
            return now
        before = now
        time.sleep(_QUIET)
    raise NotMeasuredError(f"still busy {_LIMIT:.0f} s after the last packet")


ROWS = (
    Row(
        "sniffed",
        (
            Line("sniffed.rate", "no port open: matching packets sent", Unit.RATE, None, True),
            Line("sniffed.share", "of those, judged", Unit.SHARE, Goal(bound=1.0), True),
            Line("sniffed.cpu", "CPU for each of them that was judged", Unit.TIME),
        ),
        Rounds(full=2, quick=1),
        measure,
    ),
)
