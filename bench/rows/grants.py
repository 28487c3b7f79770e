"""How many grants a server makes in a second: a burst of valid packets from many callers.

Each packet comes from its own caller's address, and some hundreds are under way
at any moment (``sending.open_all``). The clock runs from the first packet to
the moment at which the last caller gets in; after that the firewall's listing
has to name every one of them. Decryption, replay memory on disk, journal,
firewall and log are all in it.
"""

from __future__ import annotations

from functools import partial

from bench import packets
from bench.figures import Goal, Unit
from bench.live import make_live, wait_for_rules
from bench.sending import open_all, settle
from bench.servers import Ours, Packaged, Server
from bench.table import Effort, Line, Measure, Round, Rounds, Row
from bench.waiting import NotMeasuredError

_PATIENCE = 30.0  # seconds; the packaged server's two grants beside 50,000 take seven


def burst_of(live: int, key: str, backend: str = "nftables") -> Measure:
    """Measure grants per second beside so many that are there already; ``backend``: of ours."""
    return partial(_measure, live=live, key=key, backend=backend)


def _measure(
    server: Server, effort: Effort, *, live: int, key: str, backend: str = "nftables"
) -> Round:
    if isinstance(server, Packaged):
        number = {0: effort.of(60, 40), 1_000: effort.of(30, 15), 5_000: effort.of(10, 5)}.get(
            live, 2
        )
    else:
        number = effort.of(4_000, 2_000)
    server.clear()
    if isinstance(server, Ours):
        server.backend = backend
    server.start()
    if live:
        make_live(server, live)
    settle(server)
    callers = packets.fresh_addresses(number)
    burst = [packets.sealed(caller) for caller in callers]
    waited = open_all(server, callers, burst, limit=_PATIENCE)
    there = wait_for_rules(server, callers, limit=2.0)
    if there < number:
        raise NotMeasuredError(f"{number - there} of {number} grants are not in the firewall")
    return Round({key: number / waited}, raw={"grants": number, "seconds": waited})


def _row(live: int, title: str, goal: Goal, rounds: Rounds) -> Row:
    key = f"grants.{live}"
    line = Line(key, title, Unit.RATE, goal, more_is_better=True)
    return Row(key, (line,), rounds, burst_of(live, key))


ROWS = (
    _row(0, "durable grants, none live before", Goal(times=100), Rounds(5, 2)),
    _row(
        5_000,
        "durable grants beside 5,000 live ones",
        Goal(times=1500, against="grants.0", share=0.8),
        Rounds(3, 1),
    ),
    _row(
        50_000,
        "durable grants beside 50,000 live ones",
        Goal(against="grants.0", share=0.8),
        Rounds(2, 0),
    ),
)
