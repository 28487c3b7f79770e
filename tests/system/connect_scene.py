"""For the tests of connect, run and doctor: a hidden server, and a caller with an rc file."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.daemon import PROGRAMS, Server, base64, stanza, until
from tests.values import KEY, MAC_KEY
from tests.vitals import all_tried
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside, listen
from watchword.lab.trio import Trio, trio

PORTS = range(21, 61)
"""Hidden, and each for one test: a grant outlasts the test that it was made in."""


class ConnectScene:
    """A running server of ours, and a home directory for the caller."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.net: Trio = trio(lab)
        self.server = Server(self.net.server.host, folder)
        self.server.settings["ENABLE_TCP_SERVER"] = "Y"
        self.server.access = stanza(OPEN_PORTS=",".join(f"tcp/{port}" for port in PORTS))
        self.took = 0.0
        """Seconds that the caller's last program took."""
        self._listeners: list[socket.socket] = []

    @property
    def rc(self) -> Path:
        return self.home / ".fwknoprc"

    def write_rc(self, *sections: str) -> None:
        self.rc.touch(mode=0o600)
        self.rc.write_text("\n".join(sections), "utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "LOGNAME": "alice",
        }

    def caller_runs(self, *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a program on the caller's machine, to its end."""
        began = time.monotonic()
        done = self.net.caller.host.run(*argv, check=False, env=self.environment, **more)
        self.took = time.monotonic() - began
        return done

    def watchword(self, *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.caller_runs(str(PROGRAMS / "watchword"), *argv, **more)

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
        return self.net.caller.host.start(
            str(PROGRAMS / "watchword"), *argv, env=self.environment, **more
        )

    def listen(self, port: int, address: str | None = None) -> socket.socket:
        listener = listen(self.net.server.host, address or self.net.server.four, port)
        self._listeners.append(listener)
        return listener

    def granted(self, port: int) -> int:
        """How many packets for a port were granted so far."""
        return sum(
            each["verdict"] == "granted" and f"tcp/{port}" in str(each)
            for each in self.server.judged
        )

    def knocked_for(self, port: int, times: int = 1) -> bool:
        """Whether the last run had so many packets granted, and those that a slow machine adds.

        After two seconds without an answer the tool takes a packet for lost.
        """
        return times <= self.granted(port) <= times + self.took // 2

    def so_far(self) -> int:
        """How many packets were judged, once all that were sent are."""
        all_tried(self.server)
        return len(self.server.judged)

    def close(self) -> None:
        for each in self._listeners:
            each.close()


@contextlib.contextmanager
def connect_scene(folder: Path) -> Iterator[ConnectScene]:
    with Lab() as lab:
        scene = ConnectScene(lab, folder)
        scene.server.start()
        try:
            yield scene
        finally:
            scene.close()


def section(name: str, server: str, **variables: str) -> str:
    """A stanza of an rc file with the keys of the server; empty values are left out."""
    given = {
        "SPA_SERVER": server,
        "ALLOW_IP": "source",
        "KEY_BASE64": base64(KEY),
        "HMAC_KEY_BASE64": base64(MAC_KEY),
        **variables,
    }
    lines = "".join(f"{key:<24}{value}\n" for key, value in given.items() if value)
    return f"[{name}]\n{lines}"


def answering(listener: socket.socket, reply: bytes) -> None:
    """Accept connections for as long as the listener lives; each gets the reply at once.

    A connection is closed when its other side has ended.
    """

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(reply)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):
                        pass

    threading.Thread(target=serve, daemon=True).start()


def accept(caller: Host, listener: socket.socket) -> socket.socket:
    """The connection that is used, of a caller who does not end it at once.

    Two attempts may have been answered where this machine is slow; the caller closes one of them.
    """
    port = listener.getsockname()[1]
    listener.settimeout(60)
    found = [listener.accept()[0]]
    until(lambda: _is_decided(caller, port))
    with contextlib.suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            found.append(listener.accept()[0])
    [used] = _connections(caller, port)
    for each in found:
        each.setblocking(True)
        if each.getpeername()[1] != used:
            each.close()
    [connection] = [each for each in found if each.fileno() >= 0]
    return connection


def _is_decided(caller: Host, port: int) -> bool:
    """Whether the caller has one connection there, and has that one still after a moment."""
    before = _connections(caller, port)
    time.sleep(0.1)
    return len(before) == 1 and _connections(caller, port) == before


def _connections(caller: Host, port: int) -> list[int]:
    """Our own ports of connections from there to that port that are not closed yet."""
    tables = inside(caller, lambda: [path.read_text("ascii") for path in _TABLES])
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [
        int(own.rpartition(":")[2], 16)
        for _, own, other, state, *_ in rows
        if int(other.rpartition(":")[2], 16) == port and state in _ALIVE
    ]


_TABLES = [Path("/proc/thread-self/net", each) for each in ("tcp", "tcp6")]
_ALIVE = ("01", "02", "08")
"""Established, begun, and ended by the other side."""


def name_hosts(host: Host, text: str) -> Path:
    """Give a host a hosts file of its own, as ``ip netns exec`` mounts it. Returns its folder."""
    folder = Path("/etc/netns") / host.namespace
    folder.mkdir(parents=True)
    (folder / "hosts").write_text(text, "ascii")
    return folder
