"""A kernel takes what is built for raw sending: it checks lengths and sums itself.

In here: packets from a raw socket to ordinary ones, in a network of their own.
Not in here: the bytes (tests/unit/test_carriers_headers).
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address

import pytest

from watchword import spa
from watchword.lab.hosts import Lab
from watchword.lab.sockets import family_of, inside, open_socket
from watchword.lab.trio import Station, Trio, trio
from watchword.wire.carriers.headers import (
    ECHO_REQUEST,
    Ends,
    Ports,
    icmp_packet,
    tcp_packet,
    udp_packet,
)

pytestmark = pytest.mark.system

PAYLOAD = b"+" + b"A" * 202  # odd in all, as a checksum likes it least
PORTS = Ports(40000, 62201)
VERSIONS = pytest.mark.parametrize("version", [4, 6], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        scene = trio(lab)
        for host in (scene.server.host, scene.internet):
            host.sysctl("net.ipv4.conf.all.rp_filter", 0)
        yield scene


def address(station: Station, version: int) -> str:
    return station.four if version == 4 else station.six


def way(scene: Trio, version: int, source: str | None = None) -> Ends:
    own = address(scene.caller, version)
    return Ends(ip_address(source or own), ip_address(address(scene.server, version)))


def send(scene: Trio, packet: bytes, version: int) -> None:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    to = (address(scene.server, version), 0)
    raw = inside(
        scene.caller.host, lambda: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    )
    with closing(raw):
        raw.sendto(packet, to)


def server_socket(scene: Trio, version: int) -> socket.socket:
    at = address(scene.server, version)
    listener = open_socket(scene.server.host, at, socket.SOCK_DGRAM)
    listener.bind((at, PORTS.destination))
    listener.settimeout(30)
    return listener


@VERSIONS
@pytest.mark.parametrize("checksums", [False, True])
def test_a_datagram_arrives_at_an_ordinary_socket(
    scene: Trio, version: int, checksums: bool
) -> None:
    with closing(server_socket(scene, version)) as listener:
        send(scene, udp_packet(PAYLOAD, way(scene, version), PORTS, checksums=checksums), version)
        payload, (peer, port, *_) = listener.recvfrom(2000)
    assert (payload, port) == (PAYLOAD, PORTS.source)
    assert ip_address(peer) == way(scene, version).source


@VERSIONS
def test_a_datagram_with_a_wrong_sum_would_not_have_arrived(scene: Trio, version: int) -> None:
    good = udp_packet(PAYLOAD, way(scene, version), PORTS, checksums=True)
    with closing(server_socket(scene, version)) as listener:
        send(scene, good[:-1] + b"B", version)
        send(scene, good, version)
        assert listener.recv(2000) == PAYLOAD


@VERSIONS
def test_a_datagram_arrives_from_whoever_it_says(scene: Trio, version: int) -> None:
    claimed = "192.0.2.200" if version == 4 else "2001:db8:3::200"
    with closing(server_socket(scene, version)) as listener:
        packet = udp_packet(PAYLOAD, way(scene, version, claimed), PORTS, checksums=True)
        send(scene, packet, version)
        _, (peer, *_) = listener.recvfrom(2000)
    assert peer == claimed


def test_the_kernel_fills_in_a_source_that_is_left_open(scene: Trio) -> None:
    with closing(server_socket(scene, 4)) as listener:
        send(scene, udp_packet(PAYLOAD, way(scene, 4, "0.0.0.0"), PORTS), 4)
        _, (peer, *_) = listener.recvfrom(2000)
    assert peer == scene.caller.four


def answer(scene: Trio, version: int, protocol: int, packet: bytes, wanted: bytes) -> bytes:
    """What the server's kernel answers, its IP header off; the first that begins as wanted."""
    at = address(scene.caller, version)
    listener = inside(
        scene.caller.host, lambda: socket.socket(family_of(at), socket.SOCK_RAW, protocol)
    )
    with closing(listener):
        listener.settimeout(30)
        send(scene, packet, version)
        for _ in range(50):
            received = listener.recv(3000)
            content = received[20:] if version == 4 else received
            if content.startswith(wanted):
                return content
    return b""


@VERSIONS
def test_an_echo_request_is_answered_with_its_payload(scene: Trio, version: int) -> None:
    kind = ECHO_REQUEST[version]
    packet = icmp_packet(PAYLOAD, way(scene, version), kind=kind, echo_id=4711)
    protocol, reply = (1, b"\x00\x00") if version == 4 else (58, b"\x81\x00")
    content = answer(scene, version, protocol, packet, reply)
    assert content[4:] == (4711).to_bytes(2, "big") + b"\0\1" + PAYLOAD


@pytest.mark.peer("tcpdump")
@pytest.mark.requirement("5.9", "5.10", "5.11", partial=True)
def test_a_perl_packet_of_a_type_of_its_own_looks_on_the_wire_as_in_the_changelog(
    scene: Trio,
) -> None:
    """161 characters: "ICMP type-#123, length 169". The program's options: test_client_send."""
    message = spa.Message(
        "9122637394621052", "mbr", 1795252151, spa.PERL_VERSION,
        spa.MessageType.ACCESS, "127.0.0.2,tcp/22",
    )  # fmt: skip
    payload = spa.seal_as_perl(message, spa.Secret(b"fwknoptest"), salt=bytes(range(8)))
    assert len(payload) == 161
    listener = scene.server.host.start(
        "tcpdump", "-i", "any", "-l", "-nn", "-s", "0", "-x", "-c", "1", "icmp",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with listener:
        assert listener.stdout is not None
        assert listener.stderr is not None
        while b"listening on" not in (line := listener.stderr.readline()):
            assert line, "tcpdump ended"
        send(scene, icmp_packet(payload, way(scene, 4), kind=123, code=123), 4)
        heading, *rows = listener.stdout.read().decode("ascii").splitlines()
    four = scene.caller.four, scene.server.four
    assert heading.endswith(f"IP {four[0]} > {four[1]}: ICMP type-#123, length 169")
    dumped = bytes.fromhex("".join(row.partition(":")[2] for row in rows))
    assert (len(dumped), dumped[20:22], dumped[24:28]) == (0xBD, b"\x7b\x7b", bytes(4))
    assert dumped[28:] == payload


@VERSIONS
def test_a_segment_is_answered_as_a_call_to_a_closed_port(scene: Trio, version: int) -> None:
    """The kernel takes it for what it is, a SYN with data: everything in it is acknowledged."""
    packet = tcp_packet(PAYLOAD, way(scene, version), PORTS, checksums=True)
    content = answer(scene, version, 6, packet, b"\xf2\xf9\x9c\x40")
    acknowledged, flags = int.from_bytes(content[8:12], "big"), content[13]
    assert (acknowledged, flags) == (1 + 1 + len(PAYLOAD), 0x14)  # RST and ACK
