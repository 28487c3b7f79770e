"""How many programs a server starts: for a grant, and for a packet that is garbage."""

from __future__ import annotations

from bench import packets
from bench.births import LostEventsError
from bench.figures import Goal, Unit
from bench.sending import Letter, from_strangers, send_tried, settle
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError


def measure(server: Server, effort: Effort) -> Round:
    if server.births is None:
        raise NotMeasuredError("this kernel does not report process events")
    server.clear()
    server.start()
    settle(server)
    grants = 20 if isinstance(server, Packaged) else 200
    valid = [Letter(packets.sealed(caller), caller) for caller in packets.fresh_addresses(grants)]
    refused = from_strangers([*packets.forged(500), *packets.wrong_alphabet(500)])
    return Round(
        {
            "programs.garbage": _programs(server, refused),
            "programs.grant": _programs(server, valid),
        },
        raw={"grants": grants, "garbage": len(refused)},
    )


def _programs(server: Server, burst: list[Letter]) -> float:
    """Programs for each packet."""
    births = server.births
    if births is None:
        raise NotMeasuredError("nobody counts")
    roots = server.account.pids()
    births.forget()
    send_tried(server, burst, limit=30)
    try:
        return births.count(roots).programs / len(burst)
    except LostEventsError as error:
        raise NotMeasuredError(str(error)) from error


ROWS = (
    Row(
        "programs",
        (
            Line("programs.grant", "programs started for each grant", Unit.COUNT, Goal(bound=0)),
            Line("programs.garbage", "the same for each refused packet", Unit.COUNT, Goal(bound=0)),
        ),
        Rounds(full=3, quick=1),
        measure,
    ),
)
