"""Many reloads, good ones and refused ones: nothing is lost, and nothing piles up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, stanza, until
from tests.sealing import sealed
from tests.vitals import Vitals, assert_unmoved
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.wire.spa.message import MessageType

pytestmark = pytest.mark.system
RELOADS = int(os.environ.get("WATCHWORD_RELOADS", "100"))
POOL = 8  # threads that may stay idle for the next reload, however many there were
TAKEN, REFUSED = "Re-starting fwknopd", "The configuration was not taken over"


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture
def server(scene: Trio, tmp_path: Path) -> Iterator[Server]:
    running = Server(scene.server.host, tmp_path)
    yield running
    running.stop()


class Reloads:
    """Reloads of one server, one after the other, each waited for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tests = server.folder / "tests.conf"
        server.settings["POLICY_TESTS"] = str(self._tests)
        self._tests.write_text("granted tcp/22 from 192.0.2.7\n", "utf-8")
        self.taken = self.refused = 0

    def good(self, number: int) -> None:
        """Other stanzas each time, and now and then another port, source or table."""
        settings, access = dict(self._server.settings), self._server.access
        self._server.access += stanza(SOURCE=f"10.0.{number % 256}.0/24") * (number % 7)
        match number % 10:
            case 1:
                self._server.settings["UDPSERV_PORT"] = "4444"
            case 3:
                self._server.settings["PACKET_SOURCES"] = "udp,tcp"
            case 5:
                self._server.settings["NFT_TABLE"] = "elsewhere"
            case 7:
                self._server.settings["GUARD_SERVICES"] = "tcp/22,tcp/80"
        self._reload()
        self.taken += 1
        self._server.wait_for(TAKEN, self.taken)
        self._server.settings, self._server.access = settings, access

    def bad(self, number: int) -> None:
        """A mistake, a port that is taken, a chain that is not there, a test that fails."""
        settings, access = dict(self._server.settings), self._server.access
        match number % 4:
            case 0:
                self._server.access += "SOURCE 10.0.0.0/33\n"
            case 1:
                self._server.settings |= {"PACKET_SOURCES": "udp,tcp", "TCPSERV_PORT": "53"}
                self._server.settings["NFT_TABLE"] = "elsewhere"
            case 2:
                self._server.settings["FIREWALL_ATTACH"] = "jump"
                self._server.settings["NFT_JUMP_FROM"] = "inet nobodys chain"
            case 3:
                self._server.access = stanza(OPEN_PORTS="tcp/80")
        self._reload()
        self.refused += 1
        self._server.wait_for(REFUSED, self.refused)
        self._server.settings, self._server.access = settings, access

    def _reload(self) -> None:
        self._server.write()
        self._server.send(signal.SIGHUP)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def knock(scene: Trio, user: str) -> bytes:
    payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()), user=user, seconds=290)
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    return payload


def test_grants_and_memory_outlive_them_and_nothing_piles_up(scene: Trio, server: Server) -> None:
    reloads = Reloads(server)
    with (
        listen(scene.server.host, scene.server.four, 22),
        listen(scene.server.host, scene.server.four, 53),
    ):
        server.start()
        payload = knock(scene, "first")
        assert server.wait_for_judgements(1)[0]["verdict"] == "granted"
        for number in range(10):  # what is kept once is kept now
            reloads.good(number)
            reloads.bad(number)
        before, at_work = Vitals.of(*server.pids), threads(server.pids[-1])
        for number in range(RELOADS // 2):
            reloads.good(number)
            reloads.bad(number)
        reloads.good(0)
        assert_unmoved(server, before)
        assert threads(server.pids[-1]) < at_work + POOL
        send_datagram(scene.caller.host, payload, scene.server.four, 62201)
        assert server.wait_for_judgements(2)[1]["reason"] == "replayed"
        assert gets_through(scene.caller.host, scene.server.four, 22)
        assert not reaches(scene.stranger.host, scene.server.four, 22)
        server.wait_for(
            "policy test failed: expected granted, got refused because port-not-offered"
        )


def test_packets_are_judged_while_ten_thousand_stanzas_are_read(
    scene: Trio, server: Server
) -> None:
    server.start()
    server.access += stanza() * 10_000
    server.write()
    for number in range(1, 10):  # a packet of ours may be late, where others are at work
        server.send(signal.SIGHUP)
        server.wait_for("Re-reading configs", number)
        knock(scene, f"meanwhile {number}")
        log = server.wait_for(TAKEN, number)
        if f'"user":"meanwhile {number}"' in log.split(TAKEN)[number - 1]:
            break
    else:
        pytest.fail(log)


def test_a_command_that_runs_goes_on_through_a_reload(
    scene: Trio, server: Server, tmp_path: Path
) -> None:
    begun, go, done = (tmp_path / name for name in ("begun", "go", "done"))
    server.settings["GUARD_SERVICES"] = "tcp/22"
    server.access = stanza(ENABLE_CMD_EXEC="Y", CMD_SHELL="Y", OPEN_PORTS="tcp/22")
    server.start()
    (tmp_path / "work").write_text(
        f"touch {begun}; while [ ! -e {go} ]; do sleep 0.02; done; touch {done}\n"
    )
    now = int(time.time())
    payload = sealed(f"198.51.100.2,sh {tmp_path}/work", type=MessageType.COMMAND, sent_at=now)
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    until(begun.exists)
    server.access = stanza(OPEN_PORTS="tcp/22")
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for(TAKEN)
    assert not done.exists()
    go.touch()
    until(done.exists)
    [judged] = server.wait_for_judgements(1)
    assert judged["verdict"] == "ran"
