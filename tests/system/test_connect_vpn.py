"""OpenVPN and WireGuard behind a hidden UDP port, as docs/vpn.md has it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import stanza, until
from tests.system.connect_scene import ConnectScene, section
from watchword.lab.hosts import Host, Lab
from watchword.lab.sockets import open_socket

pytestmark = pytest.mark.system
OPENVPN, WIREGUARD = 1194, 51820
PAGE = Path(__file__).parents[2] / "docs" / "vpn.md"
RESET = bytes([7 << 3]) + b"session!" + bytes(5)
"""How an OpenVPN client begins."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectScene]:
    with Lab() as lab:
        made = ConnectScene(lab, tmp_path_factory.mktemp("vpn"))
        made.server.access = stanza(OPEN_PORTS=f"udp/{OPENVPN},udp/{WIREGUARD}")
        made.server.start()
        made.write_rc(
            section("openvpn", made.net.server.four, ACCESS=f"udp/{OPENVPN}"),
            section("wireguard", made.net.server.four, ACCESS=f"udp/{WIREGUARD}"),
        )
        yield made


def pings(host: Host, address: str) -> bool:
    return host.run("ping", "-c1", "-W1", address, check=False).returncode == 0


def said_to_reset(host: Host, address: str) -> bool:
    """Whether an OpenVPN server answers."""
    with open_socket(host, address, socket.SOCK_DGRAM) as channel:
        channel.settimeout(0.4)
        channel.sendto(RESET, (address, OPENVPN))
        with contextlib.suppress(TimeoutError):
            return bool(channel.recv(100))
    return False


def certificate(folder: Path, name: str) -> str:
    """Make one, signed by itself; its fingerprint."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"),
         "-out", str(folder / f"{name}.crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    told = subprocess.run(
        ["openssl", "x509", "-in", str(folder / f"{name}.crt"), "-noout", "-fingerprint",
         "-sha256"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return told.stdout.strip().partition("=")[2]


def start_openvpn_server(scene: ConnectScene, folder: Path) -> None:
    mine, theirs = certificate(folder, "server"), certificate(folder, "client")
    (folder / "server.conf").write_text(
        f"dev tun\nserver 10.8.0.0 255.255.255.0\nport {OPENVPN}\nproto udp\ndh none\n"
        f"cert {folder}/server.crt\nkey {folder}/server.key\npeer-fingerprint {theirs}\n"
    )
    (folder / "client.conf").write_text(
        f"client\ndev tun\nremote {scene.net.server.four} {OPENVPN} udp\nnobind\n"
        f"cert {folder}/client.crt\nkey {folder}/client.key\npeer-fingerprint {mine}\n"
    )
    with (folder / "server.log").open("wb") as log:
        scene.net.server.host.start("openvpn", "--config", str(folder / "server.conf"), stdout=log)
    log_file = folder / "server.log"
    until(lambda: "Initialization Sequence Completed" in log_file.read_text())


@pytest.mark.peer("openvpn", "openssl")
def test_openvpn_gets_through_as_long_as_it_runs_under_run(
    scene: ConnectScene, tmp_path: Path
) -> None:
    start_openvpn_server(scene, tmp_path)
    server = scene.net.server
    assert not said_to_reset(scene.net.caller.host, server.four)
    command = "watchword run --renew openvpn -- openvpn --config client.conf"
    assert f"    {command}\n" in PAGE.read_text("utf-8")
    with (tmp_path / "client.log").open("wb") as log:
        client = scene.net.caller.host.start(
            *command.split(), cwd=tmp_path, env=scene.environment, stdout=log, stderr=log
        )
    until(lambda: pings(scene.net.caller.host, "10.8.0.1"))
    until(lambda: said_to_reset(scene.net.caller.host, server.four))
    assert not said_to_reset(scene.net.stranger.host, server.four)
    client.terminate()
    assert client.wait(60) == 0


def wireguard_keys() -> tuple[str, str]:
    private = subprocess.run(["wg", "genkey"], check=True, capture_output=True, text=True).stdout
    public = subprocess.run(
        ["wg", "pubkey"], input=private, check=True, capture_output=True, text=True
    ).stdout
    return private.strip(), public.strip()


@pytest.mark.peer("wg-quick", "wireguard-go")
def test_wireguard_knocks_when_it_comes_up(scene: ConnectScene, tmp_path: Path) -> None:
    server, caller = scene.net.server, scene.net.caller
    (mine, my_public), (theirs, their_public) = wireguard_keys(), wireguard_keys()
    number = os.getpid()  # its sockets are in one folder for all hosts
    texts = {
        f"wws{number}": f"[Interface]\nAddress = 10.7.0.1/24\nListenPort = {WIREGUARD}\n"
        f"PrivateKey = {mine}\n[Peer]\nPublicKey = {their_public}\nAllowedIPs = 10.7.0.2/32\n",
        f"wwc{number}": f"[Interface]\nAddress = 10.7.0.2/24\nPrivateKey = {theirs}\n"
        "PreUp = fwknop -n wireguard\n"
        f"[Peer]\nPublicKey = {my_public}\nEndpoint = {server.four}:{WIREGUARD}\n"
        "AllowedIPs = 10.7.0.1/32\nPersistentKeepalive = 25\n",
    }
    for name, text in texts.items():
        path = tmp_path / f"{name}.conf"
        path.touch(mode=0o600)
        path.write_text(text)
    assert "    PreUp = fwknop -n wireguard\n" in PAGE.read_text("utf-8")
    before = scene.so_far()
    server.host.run("wg-quick", "up", str(tmp_path / f"wws{number}.conf"), env=scene.environment)
    caller.host.run("wg-quick", "up", str(tmp_path / f"wwc{number}.conf"), env=scene.environment)
    try:
        until(lambda: pings(caller.host, "10.7.0.1"))
        assert scene.so_far() == before + 1
    finally:
        for host, name in ((caller.host, f"wwc{number}"), (server.host, f"wws{number}")):
            host.run("wg-quick", "down", str(tmp_path / f"{name}.conf"), env=scene.environment)
