"""fwknopd as a process: what each signal does, in fwknopd's words, and what the background is."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, Server, until
from tests.sealing import sealed
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    server = Server(scene.server.host, tmp_path)
    server.settings["FIREWALL_BACKEND"] = "memory"
    yield server
    if server.process is not None and not server.ended:
        server.stop()


def knock(scene: Trio) -> None:
    packet = sealed(sent_at=int(time.time()))
    send_datagram(scene.caller.host, packet, scene.server.four, 62201)


def test_user_signals_are_ignored_and_hup_reads_the_files_again(
    scene: Trio, server: Server
) -> None:
    server.start("-v", "-v")
    assert "Current fwknopd config settings:" in server.log  # as twice -v does in the foreground
    assert "<see the access.conf file>" in server.log
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        server.send(number)
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    knock(scene)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
    said = server.log.splitlines()
    at = [said.index(line) for line in (
        "Gracefully leaving the fwknopd event loop.",
        "Got SIGHUP. Re-reading configs.",
        "Re-starting fwknopd",
    )]  # fmt: skip
    assert at == sorted(at)
    assert not any("SIGUSR" in line for line in said)
    assert any("SPA Decode" in line for line in said[at[-1] :])  # -v is in force after it


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_it_is_told_in_order_and_the_status_is_0(
    server: Server, number: signal.Signals
) -> None:
    server.start()
    assert server.stop(number) == 0
    assert server.log.splitlines()[-4:-1] == [
        "Gracefully leaving the fwknopd event loop.",
        f"Got {number.name}. Exiting...",
        "Shutting Down fwknopd.",
    ]


def test_in_the_background_it_is_a_daemon_and_relative_paths_outlive_a_reload(
    scene: Trio, server: Server
) -> None:
    server.settings["ACCESS_FILE"] = "access.conf"
    stanza, server.access = server.access, "%include more/stanzas.conf\n"
    server.write()
    (server.folder / "more").mkdir()
    (server.folder / "more" / "stanzas.conf").write_text(stanza)
    (server.folder / "more" / "stanzas.conf").chmod(0o600)
    words = [str(PROGRAMS / "fwknopd"), "-c", "fwknopd.conf"]
    done = server.host.run(*words, cwd=server.folder, check=False)
    assert done.returncode == 0, done.stderr
    pid_file = server.folder / "run" / "fwknopd.pid"
    pid = int(pid_file.read_text())
    try:
        assert pid_file.read_text() == f"{pid}\n"
        assert stat.S_IMODE(pid_file.stat().st_mode) == 0o600
        assert os.getsid(pid) == pid
        process = Path(f"/proc/{pid}")
        assert (process / "cwd").readlink() == Path("/")
        assert {(process / "fd" / str(n)).readlink() for n in range(3)} == {Path(os.devnull)}
        reloaded = server.host.run(*words, "-R", cwd=server.folder)
        assert reloaded.stdout == f"Sent restart signal to fwknopd (pid={pid})\n"
        until(lambda: "Re-starting fwknopd" in server.tool("log").stdout)
        knock(scene)
        until(lambda: "Added access rule" in server.tool("log").stdout)
        assert int(pid_file.read_text()) == pid
    finally:
        ended = server.host.run(*words, "-K", cwd=server.folder, check=False)
    assert ended.stdout == f"Killed fwknopd (pid={pid}) via SIGTERM\n"
    assert pid_file.exists()  # as with fwknopd, its lock is what counts
