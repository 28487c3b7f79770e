"""The system's log goes away and comes back: packets do not wait for it, and the loss is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.sealing import sealed
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system
OWN_DEVICES = """
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
ln -s "$1" /dev/log
shift
exec "$@"
"""
"""The daemon has a mount namespace of its own, and in it this test's log."""


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


class Log:
    """What listens on /dev/log, as syslogd and journald do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[str] = []
        self.begin()

    def begin(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)

    def end(self) -> None:
        self.hear()
        self._socket.close()
        self._path.unlink()

    def hear(self) -> list[str]:
        while True:
            try:
                self.lines.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                return self.lines


def knock(scene: Trio, who: str, seconds: int = 60) -> None:
    payload = sealed(f"{who},tcp/22", sent_at=int(time.time()), seconds=seconds)
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def test_without_syslog_grants_open_and_end_and_how_much_was_lost_is_told_when_it_is_back(
    scene: Trio, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    server = Server(scene.server.host, tmp_path)
    server.command = ["sh", "-ec", OWN_DEVICES, "sh", str(tmp_path / "log")]
    server.command.append(str(PROGRAMS / "fwknopd"))
    with closing(listen(scene.server.host, scene.server.four, 22)):
        server.start("--syslog-enable")
        until(lambda: any("fwknopd[" in line for line in log.hear()))
        log.end()
        before = len(server.log.splitlines())
        knock(scene, scene.caller.four, seconds=3)
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        assert gets_through(scene.caller.host, scene.server.four, 22)
        server.wait_for("Removed rule")
        assert not reaches(scene.caller.host, scene.server.four, 22, 0.2)
        missed = len(server.log.splitlines()) - before
        log.begin()
        time.sleep(1.2)  # a log that was away is tried again after a second
        knock(scene, "192.0.2.77")
        assert server.wait_for_judgements(2)[1]["verdict"] == "granted"
        until(lambda: any('"who":"192.0.2.77"' in line for line in log.hear()))
        [loss] = [line for line in log.lines if "lines were lost" in line]
        assert loss.endswith(f": {missed} lines were lost: the log did not take them")
        assert server.stop() == 0
        log.end()
