"""The packaged client sends in every way it knows, and our carriers find the packet.

In here: real traffic in a network of its own, taken from the wire or from a TCP
connection, and opened with the keys.
Not in here: recorded traffic (tests/unit/test_vectors_carriers), a server that
opens ports.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from watchword.lab.hosts import Lab
from watchword.lab.sockets import inside, listen
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Credential, Secret
from watchword.model.packets import Packet
from watchword.wire.carriers.http import AGENT, extract, request
from watchword.wire.carriers.stream import Collector, Progress
from watchword.wire.frames import Link, packet_of
from watchword.wire.spa.opening import Lock, flaw, unseal

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop")]

KEY, MAC_KEY = "a-key-for-carriers", "an-hmac-key-for-carriers"
LOCK = Lock(Credential(Secret(KEY.encode()), mac_key=Secret(MAC_KEY.encode())))
EVERY_PROTOCOL = 3  # ETH_P_ALL


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        scene = trio(lab)
        scene.internet.sysctl("net.ipv4.conf.all.rp_filter", 0)
        yield scene


@pytest.fixture
def knock(scene: Trio, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the packaged client; it ends by itself."""
    rc = tmp_path / "rc"
    rc.touch(mode=0o600)

    def start(*options: str) -> subprocess.Popen[bytes]:
        return scene.caller.host.start(
            "fwknop", "--rc-file", str(rc), "--no-save-args", "-A", "tcp/22",
            "-a", scene.caller.four, "-D", scene.server.four,
            "--key-rijndael", KEY, "--key-hmac", MAC_KEY, *options,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    return start


def is_ours(payload: bytes) -> bool:
    return flaw(payload) is None and unseal(payload, LOCK).message.text == "198.51.100.2,tcp/22"


def captured(scene: Trio, start: Callable[[], subprocess.Popen[bytes]]) -> Packet:
    """The first packet on the server's wire that our keys open."""
    wire = inside(
        scene.server.host,
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)),
    )
    with closing(wire):
        wire.bind(("eth0", EVERY_PROTOCOL))
        wire.settimeout(60)
        start()
        for _ in range(200):
            found = packet_of(wire.recv(4096), Link.ETHERNET)
            if found and is_ours(found.payload):
                return found
    raise AssertionError("the packet did not come")


RAW_MODES = {
    ("-P", "udpraw", "-S", "5555"): (17, 5555, 62201),
    ("-P", "tcpraw", "-S", "5555", "-p", "443"): (6, 5555, 443),
    ("-P", "icmp"): (1, 0, 0),
    ("-P", "icmp", "--icmp-type", "8"): (1, 0, 0),
    ("-P", "icmp", "--icmp-type", "40", "--icmp-code", "15"): (1, 0, 0),
}
"""Protocol number, source port, destination port."""


@pytest.mark.requirement("6.9", partial=True)
@pytest.mark.parametrize("options", RAW_MODES, ids=" ".join)
@pytest.mark.parametrize("source", [None, "192.0.2.200"], ids=["own address", "spoofed"])
def test_what_it_sends_is_found_on_the_wire(
    scene: Trio,
    knock: Callable[..., subprocess.Popen[bytes]],
    options: tuple[str, ...],
    source: str | None,
) -> None:
    spoofed = ["-Q", source] if source else []
    found = captured(scene, lambda: knock(*options, *spoofed))
    assert (found.peer, found.local) == (source or scene.caller.four, scene.server.four)
    assert (found.protocol, found.peer_port, found.local_port) == RAW_MODES[options]


def streamed(
    scene: Trio, port: int, start: Callable[[], subprocess.Popen[bytes]]
) -> tuple[Progress, bytes]:
    """What a connection to the server brings, in pieces of seven bytes."""
    progress, collector = Progress.MORE, Collector(requests=True)
    with closing(listen(scene.server.host, scene.server.four, port)) as listener:
        listener.settimeout(60)
        start()
        connection, _ = listener.accept()
        with closing(connection):
            connection.settimeout(60)
            while progress is Progress.MORE and (piece := connection.recv(7)):
                progress = collector.feed(piece)
    content = collector.end()
    assert content is not None
    return progress, content


def test_a_packet_over_tcp_is_collected(
    scene: Trio, knock: Callable[..., subprocess.Popen[bytes]]
) -> None:
    progress, content = streamed(scene, 62201, lambda: knock("-P", "tcp"))
    assert progress is Progress.MORE  # until the sender closed
    assert extract(content) is None
    assert is_ours(content)


@pytest.mark.requirement("6.1", partial=True)
def test_a_packet_over_http_is_found_and_ours_is_the_same(
    scene: Trio, knock: Callable[..., subprocess.Popen[bytes]]
) -> None:
    progress, content = streamed(scene, 80, lambda: knock("-P", "http", "-p", "80"))
    assert progress is Progress.WHOLE
    found = extract(content)
    assert found is not None
    assert is_ours(found.payload)
    assert request(found.payload, scene.server.four) == content


def test_a_request_for_a_proxy_names_the_server_in_its_target(
    scene: Trio, knock: Callable[..., subprocess.Popen[bytes]]
) -> None:
    proxy = scene.server.four
    with closing(listen(scene.server.host, proxy, 3128)) as listener:
        listener.settimeout(60)
        knock("-D", "spa.example.org", "-H", f"http://{proxy}:3128")
        connection, _ = listener.accept()
        with closing(connection), connection.makefile("rb") as stream:
            connection.settimeout(60)
            content = stream.read(4096)
    path = content.split(b" ")[1].removeprefix(b"http://spa.example.org/")
    payload = path.translate(bytes.maketrans(b"-_", b"+/"))
    assert is_ours(payload)
    assert request(payload, "spa.example.org", proxy=proxy, agent=AGENT) == content
