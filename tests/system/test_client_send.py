"""The client sends over both families, between machines."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.lab.hosts import Lab
from watchword.lab.sockets import inside, open_socket
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Credential, Secret
from watchword.wire.spa.opening import Lock, unseal

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.mark.requirement("8.16")
@pytest.mark.parametrize("address", ["203.0.113.1", "2001:db8:1::1"])
def test_a_packet_reaches_the_default_port_of_a_server_of_either_family(
    scene: Trio, address: str, tmp_path: Path
) -> None:
    server = open_socket(scene.server.host, address, socket.SOCK_DGRAM)
    with server:
        inside(scene.server.host, lambda: server.bind((address, 62201)))
        server.settimeout(60)
        done = scene.caller.host.run(
            sys.executable, "-m", "watchword.programs.fwknop", "--no-rc-file", "-v",
            "-E", str(tmp_path / "args"), "-A", "tcp/22", "-s", "-D", address,
            "--key-rijndael", "k", "--key-hmac", "m",
        )  # fmt: skip
        payload, sender = server.recvfrom(2000)
    assert sender[0] in (scene.caller.four, scene.caller.six)
    lock = Lock(Credential(Secret(b"k"), mac_key=Secret(b"m")))
    assert unseal(payload, lock).message.text == "0.0.0.0,tcp/22"
    assert f"             address: {address}\n" in done.stdout


def test_a_server_without_a_way_to_it_is_an_error(scene: Trio, tmp_path: Path) -> None:
    scene.stranger.host.run("ip", "route", "del", "default")
    done = scene.stranger.host.run(
        sys.executable, "-m", "watchword.programs.fwknop", "--no-rc-file",
        "-E", str(tmp_path / "args"), "-A", "tcp/22", "-s", "-D", "203.0.113.1",
        "--key-rijndael", "k", check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "send_spa_packet: 203.0.113.1: Network is unreachable",
        "send_spa_packet: packet not sent.",
        "fwknop: hint: check the server's name and this machine's network",
    ]
