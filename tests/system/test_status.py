"""What the running daemon says of itself."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Server, until
from tests.sealing import sealed
from tests.vitals import volley
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
    yield Server(scene.server.host, tmp_path)
    scene.server.host.end_processes()
    scene.server.host.run("nft", "flush", "ruleset")


def send(scene: Trio, payload: bytes) -> None:
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


def test_it_counts_packets_by_verdict_claims_grants_and_the_time_of_its_steps(
    scene: Trio, server: Server
) -> None:
    server.start()
    payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
    for each in (payload, payload, sealed("0.0.0.0,tcp/80", sent_at=int(time.time()))):
        send(scene, each)
    for _ in range(3):
        send(scene, b"8" * 200)
    send(scene, b"x" * 200)  # the filter in the kernel knows better
    server.wait_for_judgements(6)
    answer = server.started("watchword", "status", *server.files, "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["packets"] == {
        "granted": 1,
        "replayed": 1,
        "port-not-offered": 1,
        "hmac-mismatch": 3,
    }
    assert told["grants"] == 1
    assert told["claims"] == 3
    assert told["known_addresses"] == 1
    assert told["firewall_in_step"] is True
    assert told["dropped"]["kernel: socket full or filtered"] == 1
    assert {"claim", "grant"} <= told["steps"].keys()
    in_words = server.tool("status").stdout
    assert "grants in force: 1" in in_words
    assert "3  hmac-mismatch" in in_words


def test_without_a_daemon_it_says_so(server: Server) -> None:
    server.write()
    answer = server.tool("status")
    assert answer.returncode == 1
    assert "no daemon answers" in answer.stderr


def test_the_socket_is_the_owner_s_alone_and_survives_nonsense(scene: Trio, server: Server) -> None:
    server.start()
    path = server.folder / "run" / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for nonsense in (b"\n", b"{}\n", b"[1]\n", b'{"version":9,"ask":"status"}\n', b"x" * 9000):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(path))
            sock.sendall(nonsense)
            answer = sock.recv(1000)
            assert answer == b"" or b"error" in answer
    assert server.tool("status").returncode == 0
    server.stop()
    assert not path.exists()


def test_no_packet_is_awaited_before_the_socket_answers(server: Server) -> None:
    (server.folder / "run" / "control.sock").mkdir(parents=True)
    server.launch()
    until(lambda: server.ended)
    assert "cannot make the socket" in server.log
    assert "Kicking off" not in server.log


def test_a_flood_is_one_line_a_second(scene: Trio, server: Server) -> None:
    server.start()
    volley(scene.caller.host, [b"8" * 200] * 500, scene.server.four)
    until(lambda: "more packets were refused" in server.log)
    assert 10 <= len(server.judged) < 40  # and ten again, once they have become rare
    assert server.log.count("\n") < 60
    send(scene, sealed("0.0.0.0,tcp/22", sent_at=int(time.time())))
    until(lambda: server.judged[-1]["verdict"] == "granted")
