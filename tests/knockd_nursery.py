"""Starts our knockd from an interpreter that has loaded it.

``python -m tests.knockd_nursery PLACE`` serves. Each line that comes to the socket PLACE
is a JSON list: a file for what the daemon says, a file for its end, and the words of its
command line. The answer is its process number. When it has ended, the second file has its
exit status, negative for the signal that ended it.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.daemon import until
from watchword.lab.hosts import Host
from watchword.programs import knockd

HERE = Path(__file__).parents[1]


class Nursery:
    """The other side: asks for daemons."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._place = folder / "nursery"
        host.start(sys.executable, "-m", "tests.knockd_nursery", str(self._place), cwd=HERE)
        until(self._place.exists)

    def start(self, said: Path, *words: str) -> Forked:
        """Start one; what it says goes to a file."""
        ends = said.with_name(f"{said.name}.status")
        ends.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(30)
            channel.connect(str(self._place))
            channel.sendall(json.dumps([str(said), str(ends), words]).encode("utf-8") + b"\n")
            return Forked(int(channel.recv(20)), ends)


class Forked:
    """What ``subprocess.Popen`` would be, for a process of the nursery."""

    def __init__(self, pid: int, ends: Path) -> None:
        self.pid = pid
        self._ends = ends

    def poll(self) -> int | None:
        try:
            text = self._ends.read_text("ascii")
        except FileNotFoundError:
            return None
        return int(text) if text.endswith("\n") else None

    def wait(self, timeout: float) -> int:
        limit = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > limit:
                raise subprocess.TimeoutExpired("knockd", timeout)
            time.sleep(0.01)
        return status


def _become(said: str, words: list[str]) -> None:
    os.setsid()
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, 100)
    status = 70
    try:
        status = knockd.main(words)
        sys.stdout.flush()
    finally:
        os._exit(status)


def _reap(ends: dict[int, str]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        Path(ends.pop(pid)).write_text(f"{os.waitstatus_to_exitcode(status)}\n", "ascii")


def main() -> None:
    """Serve until killed."""
    for later in ("watchword.edges.replay.sqlite", "watchword.service.knock.managed"):
        importlib.import_module(later)
    ends: dict[int, str] = {}
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ear, mouth = socket.socketpair()
    ear.setblocking(False)
    mouth.setblocking(False)
    signal.set_wakeup_fd(mouth.fileno())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        beside = f"{sys.argv[1]}.new"
        door.bind(beside)
        door.listen(200)
        Path(beside).rename(sys.argv[1])  # who sees it may connect
        while True:
            ready, _, _ = select.select([door, ear], [], [])
            if ear in ready:
                ear.recv(1000)
            if door in ready:
                channel, _ = door.accept()
                with channel, channel.makefile("rb") as asked:
                    said, end, words = json.loads(asked.readline())
                    pid = os.fork()
                    if pid == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        _become(said, words)
                    ends[pid] = end
                    channel.sendall(str(pid).encode("ascii"))
            _reap(ends)


if __name__ == "__main__":
    main()
