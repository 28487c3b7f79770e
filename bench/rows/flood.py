"""Whether a valid packet still counts while somebody sends bad ones from forged addresses.

Each bad packet has a bad HMAC, and comes from another of 65,536 addresses. A
caller sends one valid packet, as fwknop does, and gives up after a second. Its
stanza is the middle one. ``Known`` callers have been let in once before the
flood, from the same address; ``first-time`` callers never.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import flood, packets
from bench.figures import Goal, Unit, quantile
from bench.sending import Call, call_all, send_one, settle
from bench.servers import Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

RATE = 50_000
FRAMES = 65_536
_FLAT = 4 * 1024.0**2  # bytes: a few buffers
PATIENCE = 1.0  # seconds after which a caller gives up
_EVERY = 0.05  # seconds from one caller to the next
_LEAD = 0.4  # seconds of flood before the first caller
_ROOT = Path(__file__).parents[2]


def _measure(server: Server, effort: Effort, *, stanzas: int) -> Round:
    server.clear()
    server.start(stanzas)
    stanza = (stanzas + 1) // 2
    known = _become_known(server, stanza)
    settle(server)
    seconds = effort.of(5, 3)
    round_ = Round()
    before = server.memory()
    for kind in ("known", "new"):
        number = int((seconds - _LEAD - PATIENCE) / _EVERY)
        callers = packets.fresh_addresses(number)
        calls = [
            Call(
                packets.sealed(caller, stanza=stanza),
                known[at % len(known)] if kind == "known" else caller,
                caller,
                _LEAD + at * _EVERY,
            )
            for at, caller in enumerate(callers)
        ]
        _under_fire(server, calls, seconds, key=f"flood.{stanzas}", kind=kind, round_=round_)
    round_.figures[f"flood.{stanzas}.growth"] = max(0, server.memory() - before)
    return round_


def _become_known(server: Server, stanza: int) -> list[str]:
    """Addresses that have each sent a valid packet, one that let somebody else in."""
    sources = packets.fresh_addresses(10)
    for source in sources:
        [beneficiary] = packets.fresh_addresses(1)
        send_one(server, packets.sealed(beneficiary, stanza=stanza), source)
        settle(server)
    return sources


def _under_fire(
    server: Server, calls: list[Call], seconds: float, *, key: str, kind: str, round_: Round
) -> None:
    received = server.datagrams()
    used = server.account.processor_seconds()
    with flooding(server, RATE, seconds) as fire:
        waits = call_all(server, calls, limit=PATIENCE)
        taken = server.datagrams().since(received)
        used = server.account.processor_seconds() - used
        sent = fire.sent(seconds + 10)
    honoured = [wait for wait in waits if wait is not None]
    round_.figures[f"{key}.{kind}.share"] = len(honoured) / len(calls)
    if honoured:
        round_.figures[f"{key}.{kind}.p95"] = quantile(honoured, 0.95)
    else:
        round_.missing[f"{key}.{kind}.p95"] = "none was honoured"
    rate = sent / seconds
    rates = [rate, round_.figures.get(f"{key}.rate", rate)]
    round_.figures[f"{key}.rate"] = min(rates)
    round_.raw[kind] = {
        "seconds": waits, "bad packets sent": sent, "datagrams read": taken.read,
        "datagrams dropped": taken.no_room, "processor seconds": used,
    }  # fmt: skip


class Flood:
    """A flood that another process sends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def sent(self, limit: float) -> int:
        """How many frames it sent, once it is over; ``limit``: seconds to wait for that."""
        answer, _ = self._process.communicate(timeout=limit)
        return int(json.loads(answer)["sent"])


@contextmanager
def flooding(server: Server, rate: int, seconds: float) -> Iterator[Flood]:
    """Bad packets, so many each second; begins here, and is over at the end of the block."""
    berth = server.berth
    octets, size = flood.frames(
        packets.forged(FRAMES),
        to_mac=berth.server_mac, from_mac=berth.client_mac, to=berth.address,
    )  # fmt: skip
    file = server.folder / "frames"
    file.write_bytes(octets)
    command = (
        sys.executable, "-m", "bench.flood",
        berth.client_interface, str(rate), str(seconds), str(file), str(size),
    )  # fmt: skip
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "sending\n":
                raise NotMeasuredError("the flood did not begin")
            yield Flood(process)
        finally:
            process.kill()


def _row(
    stanzas: int,
    *,
    known: tuple[Goal, Goal | None],
    new: tuple[Goal | None, Goal | None],
    rounds: Rounds,
) -> Row:
    """Goals are for the share of packets honoured and for the 95th percentile of the wait."""
    key = f"flood.{stanzas}"
    named = f"{stanzas:,} {'stanza' if stanzas == 1 else 'stanzas'}"
    lines = [Line(f"{key}.rate", f"flood, {named}: bad packets sent", Unit.RATE, None, True)]
    for kind, caller, goals in (("known", "known", known), ("new", "first-time", new)):
        share, p95 = goals
        title = f"valid packets honoured meanwhile, {named}, {caller} callers"
        lines += [
            Line(f"{key}.{kind}.share", title, Unit.SHARE, share, True),
            Line(f"{key}.{kind}.p95", "those honoured: 95th percentile", Unit.TIME, p95),
        ]
    lines.append(Line(f"{key}.growth", "memory gained meanwhile", Unit.SIZE, Goal(bound=_FLAT)))
    return Row(key, tuple(lines), rounds, partial(_measure, stanzas=stanzas))


ROWS = (
    _row(
        1,
        known=(Goal(bound=0.99), Goal(bound=0.005)),
        new=(Goal(bound=0.99), Goal(bound=0.005)),
        rounds=Rounds(2, 1),
    ),
    _row(
        100,
        known=(Goal(bound=0.99), Goal(bound=0.010)),
        new=(None, None),
        rounds=Rounds(2, 0),
    ),
    _row(10_000, known=(Goal(bound=0.80), None), new=(None, None), rounds=Rounds(2, 0)),
)
