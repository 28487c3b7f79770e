"""What a packet that is refused costs: processor time of the server for each one.

Each packet comes from another of 8,192 addresses, and no more are sent at once
than the server is sure to look at: what it dropped unseen would cost it nothing.
Some of the kernel's own work for a datagram (the network stack, the socket's
filter) is done in the sender's time and is in neither server's account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bench import packets
from bench.figures import Goal, Unit
from bench.sending import from_strangers, send_tried, settle
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row

_PATIENCE = 30.0  # seconds
_BURSTS = {1: (20_000, 5_000), 100: (5_000, 2_000), 10_000: (200, 60)}
"""Packets for us and for the packaged server, by number of stanzas: a second's work or so."""


def _cost(server: Server, burst: Sequence[bytes]) -> float:
    """Processor seconds for each packet of a burst."""
    settle(server)
    before = server.account.processor_seconds()
    send_tried(server, from_strangers(burst), limit=_PATIENCE)
    return (server.account.processor_seconds() - before) / len(burst)


def _bad_mac(server: Server, effort: Effort, *, stanzas: int) -> Round:
    server.clear()
    server.start(stanzas)
    number = _BURSTS[stanzas][isinstance(server, Packaged)] // effort.of(1, 2)
    return Round({f"mac.{stanzas}": _cost(server, packets.forged(number))}, raw={"packets": number})


_GARBAGE: dict[str, Callable[[int], list[bytes]]] = {
    "garbage.random": packets.random_bytes,
    "garbage.short": packets.too_short,
    "garbage.alphabet": packets.wrong_alphabet,
}


def _garbage(server: Server, effort: Effort) -> Round:
    server.clear()
    server.start()
    number = effort.of(20_000, 10_000) // (4 if isinstance(server, Packaged) else 1)
    costs = {key: _cost(server, make(number)) for key, make in _GARBAGE.items()}
    return Round(costs, raw={"packets": number})


def _bad_mac_row(stanzas: int, goal: Goal, rounds: Rounds) -> Row:
    plural = "stanza" if stanzas == 1 else "stanzas"
    title = f"CPU for each packet with a bad HMAC, {stanzas:,} {plural}"
    key = f"mac.{stanzas}"
    return Row(
        key, (Line(key, title, Unit.TIME, goal),), rounds, partial(_bad_mac, stanzas=stanzas)
    )


ROWS = (
    _bad_mac_row(1, Goal(times=10), Rounds(5, 2)),
    _bad_mac_row(100, Goal(times=4), Rounds(5, 2)),
    _bad_mac_row(10_000, Goal(times=4), Rounds(3, 1)),
    Row(
        "garbage",
        (
            Line("garbage.random", "CPU for each packet of random bytes", Unit.TIME, Goal(100)),
            Line("garbage.short", "CPU for each packet that is too short", Unit.TIME, Goal(100)),
            Line(
                "garbage.alphabet",
                "CPU for each packet that begins right and goes on in random bytes",
                Unit.TIME,
            ),
        ),
        Rounds(5, 2),
        _garbage,
    ),
)
