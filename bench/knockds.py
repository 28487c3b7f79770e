"""Two knock daemons, ours and the packaged one, each on a host of its own.

In here: their files and doors, starting them, what they have used, frames with knocks.
Not in here: what is measured (rows.knocking).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.accounting import Account, open_account
from bench.servers import Ours, Server
from bench.waiting import NotMeasuredError, wait_until
from watchword.lab import knock_frames
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import inside

HERE, OUTSIDE = "10.77.0.1", "10.77.0.2"
PORT = 10001
FIRST, SECOND, THIRD = 7000, 9000, 8000
_PACKAGED = "/usr/sbin/knockd"
_SYN = 2
_SEQUENCE = f"sequence = {FIRST},{SECOND},{THIRD}\nseq_timeout = 600\ntcpflags = syn\n"
_RULES = f"iptables -A INPUT -p tcp --dport {PORT} -j DROP"
_COMMAND = f"/sbin/iptables -I INPUT -s %IP% -p tcp --dport {PORT} -j ACCEPT"
_LIMIT = 30.0


class KnockDaemon:
    """One of them under measurement."""

    def __init__(self, server: Server, lab: Lab) -> None:
        """``server`` says which of the two, and where it may write."""
        self.ours = isinstance(server, Ours)
        self.inside, self.outside = lab.host("inside"), lab.host("outside")
        lab.link((self.inside, "eth0", (f"{HERE}/16",)), (self.outside, "eth0", (f"{OUTSIDE}/16",)))
        server.clear()
        self._folder = server.folder
        self.account: Account = open_account(f"watchword-bench-{os.getpid()}-knockd")
        self._raw = inside(self.outside, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))

    @property
    def _program(self) -> str:
        ours = Path(sys.executable).parent / "knockd"
        return str(ours) if self.ours else _PACKAGED

    def start(self, *, kernel: bool = False) -> None:
        """Start it with one door, and wait until it listens. Raises NotMeasuredError.

        ``kernel``: the kernel is to follow the door, which only ours can have it do.
        """
        if not Path(self._program).exists():
            raise NotMeasuredError(f"not installed: {self._program}")
        log, conf = self._folder / "log", self._folder / "knockd.conf"
        options = f"[options]\nLogFile = {log}\n"
        door = f"[ssh]\n{_SEQUENCE}"
        if self.ours:
            options += f"StateDir = {self._folder}/state\nRunDir = {self._folder}/run\n"
            door += f"open = tcp/{PORT}\ncmd_timeout = 600\n"
            door += "kernel = yes\n" if kernel else ""
        else:
            self.inside.run("sh", "-c", _RULES)
            door += f"command = {_COMMAND}\n"
        conf.touch(mode=0o600)
        conf.write_text(options + door, "utf-8")
        said = (self._folder / "said").open("wb")
        with said:
            process = self.inside.start(
                self._program, "-i", "eth0", "-c", str(conf), stdout=said, stderr=said
            )
        wait_until(lambda: log.exists() and self.log_lines("starting up") > 0, _LIMIT, "knockd")
        self.account.enter(process.pid)

    def log_lines(self, what: str) -> int:
        """How many lines of the log have this in them."""
        return (self._folder / "log").read_text("utf-8").count(what)

    def frame(self, source: str, port: int) -> bytes:
        return knock_frames.frame(knock_frames.knock(source, HERE, port, _SYN))

    def send(self, frame: bytes) -> None:
        self._raw.sendto(frame, ("eth0", 0))

    def close(self) -> None:
        self._raw.close()
        for process in self.inside.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self.account.close()


@contextmanager
def knock_daemon(server: Server, *, kernel: bool = False) -> Iterator[KnockDaemon]:
    with Lab() as lab, closing(KnockDaemon(server, lab)) as found:
        found.start(kernel=kernel)
        yield found


def until_open(host: Host, source: str, seconds: float) -> float:
    """When the first connection from an address was begun that came about; monotonic seconds.

    One is begun every third of a millisecond. Raises NotMeasuredError: none did.
    """
    begun: list[tuple[float, socket.socket]] = []
    limit = time.monotonic() + seconds
    try:
        while time.monotonic() < limit:
            client = inside(host, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            client.setblocking(False)
            client.bind((source, 0))
            begun.append((time.monotonic(), client))
            client.connect_ex((HERE, PORT))
            time.sleep(0.0003)
            for at, each in begun:
                if _connected(each):
                    return at
    finally:
        for _, each in begun:
            each.close()
    raise NotMeasuredError(f"not open within {seconds:g} s")


def _connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True
