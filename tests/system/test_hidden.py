"""What a scanner sees: nothing, or exactly as little as the documentation says."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.daemon import Server
from tests.sealing import sealed
from watchword.lab.hosts import Lab
from watchword.lab.sockets import listen, send_datagram
from watchword.lab.trio import Station, Trio, trio

pytestmark = [pytest.mark.system, pytest.mark.peer("nmap")]

BRISK = ("--initial-rtt-timeout", "300ms", "--max-rtt-timeout", "300ms")
"""How long nmap waits for an answer, which takes microseconds here."""


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module", autouse=True)
def services(scene: Trio) -> Iterator[list[socket.socket]]:
    opened = [
        listen(scene.server.host, address, port)
        for address in (scene.server.four, scene.server.six)
        for port in (22, 443)
    ]
    yield opened
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, scene: Trio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    running = Server(scene.server.host, tmp_path_factory.mktemp("server"))
    running.settings |= request.param
    yield running.start()
    running.stop()


WITH_ONE_PORT_GUARDED = pytest.mark.parametrize("server", [{}], ids=[""], indirect=True)
WITH_EVERYTHING_GUARDED = pytest.mark.parametrize(
    "server", [{"GUARD_SERVICES": "ALL"}], ids=[""], indirect=True
)


def scan(client: Station, target: str, *options: str) -> str:
    six = ("-6",) if ":" in target else ()
    answer = client.host.run("nmap", "-n", *BRISK, *six, *options, "-oG", "-", target, seconds=250)
    return answer.stdout


def states(output: str) -> dict[str, str]:
    """State of each port that nmap lists, and under ``others`` of those it sums up."""
    found = dict(re.findall(r"(\d+)/([a-z|]+)/", output))
    if summed := re.search(r"Ignored State: (\w+)", output):
        found["others"] = summed[1]
    return found


def grant(scene: Trio, server: Server) -> None:
    payload = sealed("0.0.0.0,tcp/22", sent_at=int(time.time()))
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)
    server.wait_for_judgements(1)


@pytest.mark.requirement("4.39")
@WITH_ONE_PORT_GUARDED
def test_the_port_is_filtered_before_the_knock_and_open_after_it_for_the_caller_only(
    scene: Trio, server: Server
) -> None:
    probe = ("-P0", "-p", "22", "-sT")
    for client in (scene.caller, scene.stranger):
        assert states(scan(client, scene.server.four, *probe)) == {"22": "filtered"}
    grant(scene, server)
    assert states(scan(scene.caller, scene.server.four, *probe)) == {"22": "open"}
    assert states(scan(scene.stranger, scene.server.four, *probe)) == {"22": "filtered"}


@WITH_ONE_PORT_GUARDED
def test_with_one_port_guarded_it_is_filtered_beside_closed_ones(
    scene: Trio, server: Server
) -> None:
    found = states(scan(scene.stranger, scene.server.four, "-Pn", "-p", "20-25,443"))
    assert found.pop("443") == "open"
    assert found.pop("22") == "filtered"
    assert set(found.values()) == {"closed"}


@pytest.mark.requirement("8.2")
@WITH_EVERYTHING_GUARDED
@pytest.mark.parametrize("six", [False, True], ids=["IPv4", "IPv6"])
def test_with_everything_guarded_a_scan_of_all_ports_finds_nothing_but_filtered(
    scene: Trio, server: Server, six: bool
) -> None:
    target = scene.server.six if six else scene.server.four
    found = scan(scene.stranger, target, "-Pn", "-p-", "--min-rate", "12000", "--max-retries", "0")
    assert states(found) == {"others": "filtered"}
    assert (
        "Host seems down"
        in scene.stranger.host.run("nmap", *BRISK, *_six(six), "-n", target).stdout
    )


def _six(six: bool) -> tuple[str, ...]:
    return ("-6",) if six else ()


@WITH_EVERYTHING_GUARDED
def test_the_knock_port_answers_nobody(scene: Trio, server: Server) -> None:
    found = states(scan(scene.stranger, scene.server.four, "-Pn", "-sU", "-p", "62201,62202"))
    assert set(found.values()) == {"open|filtered"}
