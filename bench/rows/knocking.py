"""Port knocking: from the last knock to an open port, what noise costs, honest knocks in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address

from bench.figures import Goal, Unit, quantile
from bench.knockds import (
    FIRST,
    HERE,
    PORT,
    SECOND,
    THIRD,
    KnockDaemon,
    knock_daemon,
    until_open,
)
from bench.servers import Ours, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError, wait_until
from watchword.lab.sockets import listen

_STRANGERS = int(IPv4Address("10.77.128.0"))
_ATTEMPTS = 10_000
_RATE = 8000  # frames a second, which both can look at
_HONEST = 60
_LIMIT = 120.0


def _stranger(number: int) -> str:
    return str(IPv4Address(_STRANGERS + number))


def latency(server: Server, effort: Effort) -> Round:
    with knock_daemon(server) as daemon, _service(daemon):
        waits = [_open_once(daemon, number) for number in range(effort.of(40, 12))]
    return Round({"knock.latency": quantile(waits, 0.5)}, raw={"seconds": waits})


def by_the_kernel(server: Server, effort: Effort) -> Round:
    """The same, and what noise costs, for a door that the kernel follows."""
    if not isinstance(server, Ours):
        raise NotMeasuredError("it has no doors that the kernel follows")
    with knock_daemon(server, kernel=True) as daemon, _service(daemon):
        waits = [_open_once(daemon, number) for number in range(effort.of(40, 12))]
        cost = _cost(daemon, effort.of(40_000, 16_000))
    found = {"knock.kernel": quantile(waits, 0.5), "knock.kernel.noise": cost}
    return Round(found, raw={"seconds": waits})


@contextmanager
def _service(daemon: KnockDaemon) -> Iterator[None]:
    with closing(listen(daemon.inside, HERE, PORT)):
        yield


def _open_once(daemon: KnockDaemon, number: int) -> float:
    """Seconds from the last knock of a new caller until the port is open for it."""
    source = f"10.77.1.{number + 1}"
    daemon.outside.run("ip", "addr", "add", f"{source}/16", "dev", "eth0")
    knocks = [daemon.frame(source, port) for port in (FIRST, SECOND, THIRD)]
    for frame in knocks:
        time.sleep(0.02)
        last = time.monotonic()
        daemon.send(frame)
    return until_open(daemon.outside, source, 10.0) - last


def noise(server: Server, effort: Effort) -> Round:
    """SYNs of strangers to the second port, with many attempts under way and with none."""
    with knock_daemon(server) as daemon:
        alone = _cost(daemon, effort.of(40_000, 16_000))
        for number in range(_ATTEMPTS):
            _paced(daemon, daemon.frame(_stranger(number), FIRST), number)
        wait_until(lambda: _followed(daemon), _LIMIT, "knockd")
        crowd = _cost(daemon, effort.of(40_000, 16_000))
    return Round({"knock.noise": crowd, "knock.noise.alone": alone}, raw={"attempts": _ATTEMPTS})


def _followed(daemon: KnockDaemon) -> bool:
    """Whether every first knock was seen: told, or counted as left out."""
    return daemon.log_lines("Stage 1") >= _ATTEMPTS or daemon.log_lines("were left out") > 0


def _cost(daemon: KnockDaemon, count: int) -> float:
    """Processor seconds for each packet that matters to some door and to no attempt."""
    frames = [daemon.frame(f"10.77.{number % 100}.77", SECOND) for number in range(100)]
    time.sleep(1.5)  # what came before is over
    used = daemon.account.processor_seconds()
    for number in range(count):
        _paced(daemon, frames[number % 100], number)
    time.sleep(1.0)
    return (daemon.account.processor_seconds() - used) / count


def _paced(daemon: KnockDaemon, frame: bytes, number: int) -> None:
    daemon.send(frame)
    if number % 80 == 79:
        time.sleep(80 / _RATE)


def honest(server: Server, effort: Effort) -> Round:
    """Each honest sequence has a stranger's around it, who begins first and goes wrong."""
    with knock_daemon(server) as daemon:
        for number in range(_HONEST):
            stranger, caller = _stranger(number), f"10.77.2.{number + 1}"
            for source, port in (
                (stranger, FIRST), (caller, FIRST), (stranger, THIRD), (caller, SECOND),
                (caller, THIRD),
            ):  # fmt: skip
                daemon.send(daemon.frame(source, port))
                time.sleep(0.005)
        daemon.send(daemon.frame("10.77.3.1", FIRST))
        time.sleep(1.0)
        opened = daemon.log_lines("OPEN SESAME")
    if opened > _HONEST:
        raise NotMeasuredError(f"{opened} doors opened")
    return Round({"knock.honest": opened / _HONEST})


ROWS = (
    Row(
        "knock-latency",
        (Line("knock.latency", "knockd: last knock to open port", Unit.TIME, Goal(bound=0.004)),),
        Rounds(full=2, quick=1),
        latency,
    ),
    Row(
        "knock-noise",
        (
            Line(
                "knock.noise",
                f"CPU for each SYN of noise, {_ATTEMPTS:,} attempts under way",
                Unit.TIME,
                Goal(times=8),
            ),
            Line("knock.noise.alone", "the same with none under way", Unit.TIME),
        ),
        Rounds(full=2, quick=1),
        noise,
    ),
    Row(
        "knock-kernel",
        (
            Line("knock.kernel", "knockd, by the kernel: last knock to open port", Unit.TIME),
            Line("knock.kernel.noise", "CPU of the daemon for each SYN of noise", Unit.TIME),
        ),
        Rounds(full=2, quick=1),
        by_the_kernel,
    ),
    Row(
        "knock-honest",
        (
            Line(
                "knock.honest",
                "honest knocks that opened while strangers spoilt theirs",
                Unit.SHARE,
                Goal(bound=1.0),
                more_is_better=True,
            ),
        ),
        Rounds(full=2, quick=1),
        honest,
    ),
)
