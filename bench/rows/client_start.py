"""How long a knock takes from Enter to the packet: the client's start, beside Python's own.

Each round starts, in turn, ``python -c pass`` (the interpreter that runs the client) and the
client with a stanza of an rc file, as its console script. The packet goes to a socket of this
process on loopback; the clock stops when it is there. What the program does afterwards, ending,
is not waited for before that, and is in the processor time.

Bytecode is there, as it is after an installation: the first run, which writes it, is not counted.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Goal, Unit
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

PACKAGED_CLIENT = "/usr/bin/fwknop"
STARTS_AT_MOST = 3.0
PATIENCE = 10.0  # seconds for one packet
RC_FILE = """\
[home]
SPA_SERVER 127.0.0.1
SPA_SERVER_PORT {port}
ACCESS tcp/22
ALLOW_IP 192.0.2.1
KEY_BASE64 GFsBsyQpFFe3wOfTzTBdqNFlV+xX9dWmhqnpiKNjrlU=
HMAC_KEY_BASE64 dF4SNJQO46PZBLCoZQYX0Q9J69QBi0ZuHCALZxItUgnhREX21WgBo+S+KhWw4iI7
"""
ASIDE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED")
"""Variables of a developer's shell that nobody's client is started with."""


def client_of(server: Server) -> str:
    """The client that belongs to a server. Raises NotMeasuredError if it is not installed."""
    ours = Path(sys.executable).with_name("fwknop")
    program = PACKAGED_CLIENT if isinstance(server, Packaged) else str(ours)
    if not shutil.which(program):
        raise NotMeasuredError(f"{program} is not there")
    return program


@contextmanager
def receiver() -> Iterator[socket.socket]:
    """Where the packets arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(PATIENCE)
        yield channel


def environment(home: Path, port: int) -> dict[str, str]:
    """What the programs are started with: a home whose rc file names the receiver."""
    (home / ".fwknoprc").write_text(RC_FILE.format(port=port), "ascii")
    (home / ".fwknoprc").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if name not in ASIDE}
    return {**kept, "HOME": str(home)}


def started(command: list[str], given: dict[str, str], channel: socket.socket | None) -> float:
    """Seconds from the start of a program to its packet or, where none is awaited, to its end."""
    began = time.perf_counter()
    with subprocess.Popen(command, env=given, stdout=subprocess.DEVNULL) as running:
        if channel is None:
            _await_end(running)
        else:
            channel.recv(2000)
        took = time.perf_counter() - began
        if running.wait(PATIENCE) != 0:
            raise NotMeasuredError(f"{command[0]} failed")
    return took


def _await_end(running: subprocess.Popen[bytes]) -> None:
    """``wait`` with a limit looks in steps that double: it would see 11 ms as 15.5."""
    watched = os.pidfd_open(running.pid)
    try:
        select.select([watched], [], [], PATIENCE)
    finally:
        os.close(watched)


def processor_seconds() -> float:
    """Of all programs that this process has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _start(server: Server, effort: Effort) -> Round:
    client, bare = [client_of(server), "-n", "home"], [sys.executable, "-c", "pass"]
    number = effort.of(40, 15)
    sent, alone, used = [], [], []
    with tempfile.TemporaryDirectory() as home, receiver() as channel:
        given = environment(Path(home), channel.getsockname()[1])
        started(client, given, channel)
        for _ in range(number):
            alone.append(started(bare, given, None))
            before = processor_seconds()
            sent.append(started(client, given, channel))
            used.append(processor_seconds() - before)
    median, python = statistics.median(sent), statistics.median(alone)
    figures = {
        "client.sent": median,
        "client.python": python,
        "client.starts": median / python,
        "client.cpu": statistics.median(used),
    }
    return Round(figures, raw={"sent": sent, "python": alone})


ROWS = (
    Row(
        "client",
        (
            Line("client.sent", "the client: from start to packet sent", Unit.TIME),
            Line("client.python", "beside it, Python alone: python -c pass", Unit.TIME),
            Line(
                "client.starts",
                "the first in terms of the second",
                Unit.COUNT,
                Goal(bound=STARTS_AT_MOST),
            ),
            Line("client.cpu", "the client's processor time, its end included", Unit.TIME),
        ),
        Rounds(5, 2),
        _start,
    ),
)
