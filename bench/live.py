"""Grants that are live before a measurement begins.

In here: making them, and making sure that they are there.
Not in here: the grants that are measured (rows.grants).

Ours gets them the way every grant comes about, by packets. The packaged server
would take minutes for a few thousand, so rules are put into its chain in the
form it writes them. Checked with 600 of each kind, three times in turn: it made
64 to 68 grants a second beside its own rules, 55 to 69 beside these.
"""

from __future__ import annotations

from bench import packets
from bench.sending import open_all, settle
from bench.servers import Packaged, Server
from bench.waiting import NotMeasuredError, wait_until


def make_live(server: Server, number: int, *, seconds: int = 0) -> None:
    """Open the service for so many callers. Raises NotMeasuredError: they are not all there."""
    callers = packets.fresh_addresses(number)
    if isinstance(server, Packaged):
        server.lay_rules(callers, seconds or packets.LONG)
    else:
        by_packets(server, callers, seconds=seconds)
    there = server.opened()
    if not there.issuperset(callers):
        lost = len(set(callers) - there)
        raise NotMeasuredError(f"{lost} of {number} grants are not in the firewall")


def by_packets(server: Server, callers: list[str], *, seconds: int = 0) -> None:
    """Ask for each, in order, and wait until the server is done."""
    for start in range(0, len(callers), 10_000):  # sealed in parts: a time stamp ages
        part = callers[start : start + 10_000]
        burst = [packets.sealed(caller, seconds=seconds) for caller in part]
        open_all(server, part, burst, limit=30)
    settle(server)


def wait_for_rules(server: Server, callers: list[str], limit: float) -> int:
    """Wait until the firewall lists every caller; return how many it does in the end."""

    def all_there() -> bool:
        return server.opened().issuperset(callers)

    try:
        wait_until(all_there, limit, "grants", pause=0.05)
    except NotMeasuredError:
        return len(server.opened().intersection(callers))
    return len(callers)
