"""Who is connected through an opening, asked of the real kernel; grants that stay for it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import PROGRAMS, Server, stanza, until
from tests.sealing import sealed
from watchword.edges.firewall.live import KernelConnections
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import connect, inside, listen, open_socket, reaches, send_datagram
from watchword.lab.trio import Trio, trio
from watchword.model.addresses import canonical
from watchword.model.openings import Hole
from watchword.model.services import Service

pytestmark = pytest.mark.system
TRACKED = """
table inet tracking {
    chain seen { type filter hook input priority 0; ct state established counter; }
    chain led { type nat hook prerouting priority -100; tcp dport 8022 redirect to :22; }
}
"""
SSH, LED, DNS = (Service.parse(each) for each in ("tcp/22", "tcp/8022", "udp/53"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


def through(host: Host, *holes: Hole) -> frozenset[Hole]:
    return inside(host, lambda: KernelConnections().through(holes))


@pytest.mark.parametrize("family", ["four", "six"])
def test_the_kernel_says_which_openings_somebody_is_connected_through(
    scene: Trio, family: str
) -> None:
    host, caller = scene.server.host, scene.caller.host
    address, who = getattr(scene.server, family), canonical(getattr(scene.caller, family))
    holes = [Hole(who, each) for each in (SSH, LED, DNS)]
    here, elsewhere = (canonical(each) for each in (address, getattr(scene.stranger, family)))
    near = holes[0]._replace(destination=here)
    others = (holes[0]._replace(destination=elsewhere), Hole(elsewhere, SSH))
    host.run("nft", "-f", "-", input=TRACKED)
    ssh = listen(host, address, 22)
    with ssh, open_socket(host, address, socket.SOCK_DGRAM) as echo:
        echo.bind((address, 53))
        echo.settimeout(30)
        assert through(host, *holes, near, *others) == frozenset()
        with open_socket(caller, address, socket.SOCK_DGRAM) as asks:
            asks.settimeout(30)
            asks.sendto(b"?", (address, 53))
            _, back = echo.recvfrom(10)
            assert through(host, *holes) == frozenset()
            echo.sendto(b"!", back)
            assert asks.recv(10) == b"!"
            assert through(host, *holes) == {holes[2]}
        live = connect(caller, address, 22)
        led = connect(caller, address, 8022)
        assert live is not None
        assert led is not None
        with live, led:
            assert through(host, *holes, near, *others) == {*holes, near}
        for _ in range(2):
            ssh.accept()[0].close()
        until(lambda: through(host, *holes[:2]) == frozenset())
    host.run("nft", "delete", "table", "inet", "tracking")


def test_a_grant_stays_for_a_live_connection_over_a_restart_and_not_without_one(
    scene: Trio, tmp_path: Path
) -> None:
    server = Server(scene.server.host, tmp_path)
    server.access = stanza(FW_ACCESS_TIMEOUT="6", KEEP_WHILE_CONNECTED="Y", MAX_KEEP_TIME="600")
    server.start()
    caller, four, six = scene.caller.host, scene.server.four, scene.server.six
    began = time.monotonic()
    with listen(scene.server.host, four, 22), listen(scene.server.host, six, 22):
        for address in (four, six):
            payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
            send_datagram(caller, payload, address, 62201)
        server.wait_for_judgements(2)
        live = connect(caller, four, 22)
        assert live is not None
        with live:
            server.wait_for("goes on while somebody is connected through it")
            server.kill()
            before = server.log
            server.start()
            server.wait_for("goes on while somebody is connected through it")
            until(lambda: "Removed rule" in before + server.log)
            time.sleep(max(0.0, began + 6.5 - time.monotonic()))
            assert reaches(caller, four, 22, seconds=30.0)
            assert not reaches(caller, six, 22)
            [told] = grants(server)
            assert told["who"] == scene.caller.four
            assert told["stays_until"] - told["since"] == pytest.approx(600, abs=1)
            assert "s, stays" in listed(server)
    assert server.stop(signal.SIGTERM) == 0


def ask(server: Server, *options: str) -> str:
    done: subprocess.CompletedProcess[str] = server.host.run(
        str(PROGRAMS / "watchword"), "grants", *server.files, *options, check=False
    )
    return done.stdout


def listed(server: Server) -> str:
    return ask(server)


def grants(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask(server, "--json"))["grants"]
    return found
