"""How soon a server that was killed looks at packets again, with grants that are not over.

Under a supervisor: what that waits before it starts the server again comes on top.
"""

from __future__ import annotations

from bench import packets
from bench.figures import Goal, Unit
from bench.sending import open_all, settle
from bench.servers import Server
from bench.table import Effort, Line, Round, Rounds, Row

_GRANTS = 30  # more than about forty, and the packaged server forgets some


def measure(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    callers = packets.fresh_addresses(_GRANTS)
    open_all(server, callers, [packets.sealed(each, seconds=600) for each in callers], limit=30)
    settle(server)
    server.stop()
    return Round({"restart": server.start()}, raw={"grants": _GRANTS})


ROWS = (
    Row(
        "restart",
        (
            Line(
                "restart",
                "killed with 30 grants open: start until packets are looked at",
                Unit.TIME,
                Goal(bound=1.0),
            ),
        ),
        Rounds(full=5, quick=1),
        measure,
    ),
)
