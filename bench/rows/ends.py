"""Whether access ends when its time is up: how long the last caller can still get in.

Ours has other live grants of mixed length beside those that end. The packaged
server has none: these alone make it seconds late.
"""

from __future__ import annotations

import random
import time

from bench import packets
from bench.figures import Goal, Unit
from bench.live import by_packets, wait_for_rules
from bench.sending import is_open, send_one, settle
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError, wait_until

PATIENCE = 20.0  # seconds after its end that a grant is looked at
_CLOSED_FOR = 0.3  # seconds without success after which a door counts as closed
_PACE = 0.004  # seconds from one packet to the next


def measure(server: Server, effort: Effort) -> Round:
    ending, seconds = effort.of(300, 60), effort.of(8, 4)
    others = 0 if isinstance(server, Packaged) else effort.of(9_700, 2_000)
    server.clear()
    server.start()
    for part in range(10 if others else 0):
        length = random.randint(60, packets.LONG)
        by_packets(server, packets.fresh_addresses(others // 10), seconds=length + part)
    settle(server)
    due = _open_until(server, packets.fresh_addresses(ending), seconds)
    there = wait_for_rules(server, list(due), limit=1.0)
    if there < ending:
        raise NotMeasuredError(f"{ending - there} of {ending} grants are not in the firewall")
    late, open_still = _watch(server, due)
    raw = {"late": late, "still open": open_still, "other grants": others}
    return Round({"ends.last": max(late)}, raw=raw)


def _open_until(server: Server, callers: list[str], seconds: int) -> dict[str, float]:
    """Grants one after the other; when each is to end, at the latest (perf_counter)."""
    due = {}
    before = server.datagrams()
    for number, caller in enumerate(callers, start=1):
        packet = packets.sealed(caller, seconds=seconds)
        due[caller] = time.perf_counter() + seconds
        send_one(server, packet, caller)
        wait_until(
            lambda number=number: server.datagrams().since(before).read >= number,  # type: ignore[misc]
            seconds,
            "a grant",
            pause=_PACE,
        )
    if time.perf_counter() > min(due.values()) - 0.5:
        raise NotMeasuredError(f"{len(callers)} grants took longer than {seconds} s")
    return due


def _watch(server: Server, due: dict[str, float]) -> tuple[list[float], int]:
    """How late each door was last open, in seconds; how many still were at the end."""
    last_open = dict.fromkeys(due, 0.0)
    watched = sorted(due, key=due.__getitem__)
    late = []
    while watched:
        ready = [each for each in watched if due[each] - 0.02 <= time.perf_counter()]
        for caller in ready:
            now = time.perf_counter()
            if is_open(server, caller):
                last_open[caller] = now - due[caller]
            closed_for = now - due[caller] - max(last_open[caller], 0.0)
            if closed_for > _CLOSED_FOR or now - due[caller] > PATIENCE:
                watched.remove(caller)
                late.append(last_open[caller])
        if not ready:
            time.sleep(0.001)
    return late, sum(each > PATIENCE - 1 for each in late)


ROWS = (
    Row(
        "ends",
        (
            Line(
                "ends.last",
                "how late the last of many ending grants closes, ours beside thousands of others",
                Unit.TIME,
                Goal(bound=0.05),
            ),
        ),
        Rounds(full=2, quick=1),
        measure,
    ),
)
