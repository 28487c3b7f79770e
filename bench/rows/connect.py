"""What ``watchword connect`` adds to a connection: its start, its packet, passing bytes on.

Each round starts, in turn, ``python -c pass`` and ``watchword connect`` with a stanza of an rc
file. Packet and connection go to sockets of this process on loopback. The clock stops when the
packet is there, when the connection is there, and when the first byte of the service has come
out of the command. Then many bytes go through the connection.

The port is open all along: how long a server takes to open it is in the row ``latency``.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Unit
from bench.rows.client_start import PATIENCE, environment, receiver, started
from bench.servers import Packaged, Server
from bench.table import Effort, Line, Round, Rounds, Row
from bench.waiting import NotMeasuredError

MEGABYTES = 256


@contextmanager
def service() -> Iterator[socket.socket]:
    """Whom the command connects to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def _connected(
    command: list[str], given: dict[str, str], channel: socket.socket, listener: socket.socket
) -> tuple[float, float, float]:
    """Seconds from the start to the packet, to the connection, and to the first byte."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        channel.recv(2000)
        sent = time.perf_counter() - began
        connection, _ = listener.accept()
        there = time.perf_counter() - began
        with connection:
            connection.sendall(b"!")
            assert running.stdout is not None
            running.stdout.read(1)
            first = time.perf_counter() - began
        assert running.stdin is not None
        running.stdin.close()
        if running.wait(PATIENCE) != 0:
            raise NotMeasuredError("watchword connect failed")
    return sent, there, first


def _seconds_to_pass(command: list[str], given: dict[str, str], listener: socket.socket) -> float:
    """How long many bytes take from the service through the command to us."""
    with subprocess.Popen(
        command, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as running:
        connection, _ = listener.accept()
        sender = subprocess.Popen(
            [sys.executable, "-c", _SEND.format(number=MEGABYTES)], stdin=connection.fileno()
        )
        connection.close()
        assert running.stdout is not None
        began, came = time.perf_counter(), 0
        while octets := os.read(running.stdout.fileno(), 1 << 20):
            came += len(octets)
        took = time.perf_counter() - began
        sender.wait(PATIENCE)
        if running.wait(PATIENCE) != 0 or came != MEGABYTES << 20:
            raise NotMeasuredError("watchword connect lost something")
    return took


_SEND = """
import socket
connection = socket.socket(fileno=0)
piece = bytes(1 << 20)
for _ in range({number}):
    connection.sendall(piece)
connection.shutdown(socket.SHUT_WR)
"""


def _measure(server: Server, effort: Effort) -> Round:
    if isinstance(server, Packaged):
        raise NotMeasuredError("it has no such command")
    number = effort.of(30, 10)
    rows, alone = [], []
    with tempfile.TemporaryDirectory() as home, receiver() as channel, service() as listener:
        given = environment(Path(home), channel.getsockname()[1])
        program, port = str(Path(sys.executable).with_name("watchword")), listener.getsockname()[1]
        command = [program, "connect", "home", str(port), f"-o=-A tcp/{port}"]
        _connected(command, given, channel, listener)
        for _ in range(number):
            alone.append(started([sys.executable, "-c", "pass"], given, None))
            rows.append(_connected(command, given, channel, listener))
        passed = _seconds_to_pass(command, given, listener)
    sent, there, first = (statistics.median(column) for column in zip(*rows, strict=True))
    figures = {
        "connect.sent": sent,
        "connect.connected": there - sent,
        "connect.first": first - there,
        "connect.starts": sent / statistics.median(alone),
        "connect.passed": passed,
    }
    return Round(figures, raw={"rows": rows, "python": alone})


ROWS = (
    Row(
        "connect",
        (
            Line("connect.sent", "watchword connect: from start to packet sent", Unit.TIME),
            Line("connect.starts", "the same in starts of Python alone", Unit.COUNT),
            Line("connect.connected", "from there to the connection, port open", Unit.TIME),
            Line("connect.first", "from there to the first byte passed on", Unit.TIME),
            Line("connect.passed", f"{MEGABYTES} MiB passed on, from end to end", Unit.TIME),
        ),
        Rounds(3, 2),
        _measure,
    ),
)
