"""What the firewall backends cost, alone and with a server around them.

In here: grants and their ends in chains of iptables; one opening in nftables, plain or leading
on, and in ipset, beside none and beside many; programs started for grants in iptables.
Not in here: grants in nftables with all that belongs to them (grants, ends).

Where a backend is timed alone, there is no packaged server to compare with: what it does for a
grant is to start programs, and that is in the rows beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address

from bench import packets
from bench.births import LostEventsError
from bench.figures import Goal, Unit
from bench.rows.grants import burst_of
from bench.scene import being
from bench.sending import Letter, send_tried, settle
from bench.servers import Ours, Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError, wait_until
from watchword.edges.clock import SystemClock
from watchword.edges.firewall.ipset.backend import IpsetFirewall
from watchword.edges.firewall.nft.backend import NftFirewall
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.firewall.tables.watch import Announcements
from watchword.edges.programs import SystemPrograms
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Hole, Lead, Opening
from watchword.model.services import Service

_ALONE = "it has no firewall part that could be timed alone"
_FIRST = int(IPv4Address("10.128.0.1"))
_SSH = Service.parse("tcp/22")
_CLOCK = SystemClock()
_ENDING = 5_000


def _openings(
    number: int, seconds: float, first: int = 0, lead: Lead | None = None
) -> tuple[Opening, ...]:
    until = _CLOCK.now().steady + seconds
    who = (IPv4Address(_FIRST + first + n) for n in range(number))
    return tuple(Opening(Hole(each, _SSH, None, lead), until) for each in who)


def _one(server: Server, effort: Effort, *, key: str, live: int) -> Round:
    """Processor and kernel time of one change with one opening: the median of some hundreds."""
    if isinstance(server, Packaged):
        raise NotMeasuredError(_ALONE)
    times = []
    with being(server.berth.host):
        server.berth.host.run("nft", "flush", "ruleset")
        lead = Lead(IPv4Address("10.0.0.5"), 22) if key == "leads" else None
        settings = FirewallSettings(guarded=(_SSH,), leads=lead is not None)
        backend: type[NftFirewall | IpsetFirewall] = NftFirewall
        if key == "ipset":
            backend = IpsetFirewall
        firewall = backend(settings, programs=SystemPrograms(), clock=_CLOCK)
        try:
            firewall.prepare()
            firewall.apply(ChangeSet(_openings(live, 600, lead=lead)))
            for each in _openings(effort.of(500, 200), 600, live, lead):
                each.tag  # noqa: B018 - worked out beforehand, as the ledger does
                began = time.perf_counter()
                firewall.apply(ChangeSet((each,)))
                times.append(time.perf_counter() - began)
        finally:
            firewall.teardown()
            firewall.close()
    return Round({f"firewall.{key}.{live}": statistics.median(times)}, raw={"seconds": times})


def _ends(server: Server, effort: Effort) -> Round:
    """From the instant at which thousands of rules are due to the one at which all are out."""
    if isinstance(server, Packaged):
        raise NotMeasuredError("beyond 40 rules or so some never end")
    host = server.berth.host
    with being(host):
        host.run("nft", "flush", "ruleset")
        settings = FirewallSettings(backend="iptables")
        firewall = TablesFirewall(settings, programs=SystemPrograms(), clock=_CLOCK)
        try:
            firewall.prepare()
            firewall.apply(ChangeSet(_openings(40, 600, first=_ENDING)))
            due = _openings(_ENDING, 3.0)
            firewall.apply(ChangeSet(due))
            over = due[0].until
            watch = Announcements({(4, "filter"): {settings.input.chain}})
            wait_until(lambda: _CLOCK.now().steady >= over, 5.0, "their end", pause=0.001)
            late = _last_change(watch, lambda: len(server.rules()) <= 40) - over
            watch.close()
        finally:
            firewall.teardown()
            firewall.close()
    return Round({"tables.ends": late}, raw={"rules": _ENDING, "others": 40})


def _last_change(watch: Announcements, done: Callable[[], bool]) -> float:
    """When the kernel announced the change after which everything is done, in steady seconds.

    Looking takes longer than many a change: so the time is that of the announcement.
    """
    while True:
        wait_until(watch.stirred, 5.0, "the last of them", pause=0.0005)
        at = _CLOCK.now().steady
        watch.forget()
        if done():
            return at


def _programs(server: Server, effort: Effort) -> Round:
    births = server.births
    if births is None:
        raise NotMeasuredError("this kernel does not report process events")
    server.clear()
    if isinstance(server, Ours):
        server.backend = "iptables"
    server.start()
    number = 20 if isinstance(server, Packaged) else 200
    settle(server)
    valid = [Letter(packets.sealed(caller), caller) for caller in packets.fresh_addresses(number)]
    roots = server.account.pids()
    births.forget()
    send_tried(server, valid, limit=30)
    try:
        count = births.count(roots).programs
    except LostEventsError as error:
        raise NotMeasuredError(str(error)) from error
    return Round({"tables.programs": count / number}, raw={"grants": number})


def _single(name: str, live: int, goal: Goal) -> Row:
    key = f"firewall.{name}.{live}"
    beside = f"beside {live:,} live ones" if live else "none live before"
    where, what = (name, "one opening")
    if name == "leads":
        where, what = "nftables", "one opening that leads on"
    line = Line(key, f"{where} alone: {what}, {beside}", Unit.TIME, goal)
    return Row(key, (line,), Rounds(2, 1), partial(_one, key=name, live=live))


_BESIDE = Line(
    "tables.grants",
    "grants in chains of iptables beside 1,000 live ones",
    Unit.RATE,
    Goal(times=50),
    more_is_better=True,
)
_NONE = Line("tables.programs", "programs started for each of them", Unit.COUNT, Goal(bound=0))
_LATE = Line(
    "tables.ends", "5,000 rules of iptables due at one instant: the last is out", Unit.TIME,
    Goal(bound=0.1),
)  # fmt: skip

ROWS = (
    Row(_BESIDE.key, (_BESIDE,), Rounds(2, 1), burst_of(1_000, _BESIDE.key, "iptables")),
    Row(_NONE.key, (_NONE,), Rounds(1, 1), _programs),
    Row(_LATE.key, (_LATE,), Rounds(2, 1), _ends),
    _single("nftables", 0, Goal(bound=100e-6)),
    _single("nftables", 100_000, Goal(bound=100e-6)),
    _single("leads", 0, Goal(bound=100e-6)),
    _single("leads", 50_000, Goal(bound=100e-6)),
    _single("ipset", 0, Goal(bound=100e-6)),
    _single("ipset", 100_000, Goal(bound=100e-6)),
)
