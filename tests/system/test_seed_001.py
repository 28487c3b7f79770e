"""The files of the how-to (seed 001), with nftables in place of firewalld.

As they are they run in test_firewalld_daemon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.sealing import sealed
from tests.system.seed_001_server import SeedServer
from watchword.lab.hosts import Lab
from watchword.lab.sockets import gets_through, listen, reaches, send_datagram
from watchword.lab.trio import Trio, trio

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module")
def server(scene: Trio, tmp_path_factory: pytest.TempPathFactory) -> SeedServer:
    server = SeedServer(scene.server.host, tmp_path_factory.mktemp("seed"))
    server.remedy = "FIREWALL_BACKEND nftables;\n"
    server.start()
    return server


@pytest.mark.requirement("2.8", "2.9", "2.11", "2.21")
def test_with_one_line_added_the_files_run_with_nftables_and_do_what_they_say(
    scene: Trio, server: SeedServer
) -> None:
    with listen(scene.server.host, scene.server.four, 1234):
        _knocks(scene, server)


def _knocks(scene: Trio, server: SeedServer) -> None:
    def knock(text: str, user: str) -> dict[str, object]:
        before = len(server.judged)
        payload = sealed(text, user=user, sent_at=int(time.time()))
        send_datagram(scene.caller.host, payload, scene.server.four, 62201)
        return server.wait_for_judgements(before + 1)[before]

    named = f"{scene.caller.four},tcp/1234"
    assert knock(named, "mallory")["reason"] == "wrong-user"
    assert knock("0.0.0.0,tcp/1234", "root")["reason"] == "source-address-required"
    assert knock(f"{scene.caller.four},tcp/22", "root")["reason"] == "port-not-offered"
    assert not reaches(scene.caller.host, scene.server.four, 1234)
    granted = knock(named, "root")
    assert (granted["verdict"], granted["seconds"]) == ("granted", 30)
    assert gets_through(scene.caller.host, scene.server.four, 1234)
    assert not reaches(scene.stranger.host, scene.server.four, 1234)


@pytest.mark.requirement("2.11")
@pytest.mark.peer("nmap")
def test_the_port_of_the_server_itself_looks_like_one_that_drops(
    scene: Trio, server: SeedServer
) -> None:
    scan = scene.stranger.host.run(
        "nmap", "-Pn", "-n", "-sU", "-p", "62201", "-oG", "-", scene.server.four
    )
    assert "62201/open|filtered/udp" in scan.stdout


@pytest.mark.requirement("2.22")
def test_the_state_of_the_server_is_asked_with_status(server: SeedServer) -> None:
    asked = server.program("--status")
    assert asked.returncode == 0
    assert asked.stdout == f"Detected fwknopd is running (pid={server.pid}).\n"
