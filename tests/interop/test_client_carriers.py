"""What our client puts on the wire, beside what the packaged one does, field by field.

In here: real traffic between hosts of a throw-away network, taken off the server's
wire. IPv6, which the packaged client does not speak, is held against its standards.
Not in here: whether a server opens for it (test_carriers_to_packaged_server).
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.ip_fields import ICMP, ICMPV6, TCP, UDP, Fields, fields_of
from tests.plugins.privileges import PACKAGED
from tests.within_reach import within_reach
from watchword.lab.hosts import Lab
from watchword.lab.sockets import inside, listen
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Credential, Secret
from watchword.wire.carriers.http import extract
from watchword.wire.spa.opening import Lock, flaw, unseal

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknop", "tcpdump")]

KEY, MAC_KEY = "a-key-for-carriers", "an-hmac-key-for-carriers"
LOCK = Lock(Credential(Secret(KEY.encode()), mac_key=Secret(MAC_KEY.encode())))
OURS = [sys.executable, "-m", "watchword.programs.fwknop"]
THEIRS = ["env", f"PATH={PACKAGED}", "fwknop"]
EVERY_PROTOCOL = 3  # ETH_P_ALL
FORGED = "192.0.2.200"
FORGED_SIX = "2001:db8:3::200"


class Wire:
    """A scene in which clients run on the caller, and the server's wire is watched."""

    def __init__(self, scene: Trio, home: Path) -> None:
        self.scene = scene
        self.home = home

    def run(self, client: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        mode = ["--no-rc-file", "--no-home-dir", "-E", str(self.home / "args"), "-U", "tester"]
        keys = () if "--key-rijndael" in options else ("--key-rijndael", KEY, "--key-hmac", MAC_KEY)
        to = () if "-D" in options else ("-D", self.scene.server.four)
        return self.scene.caller.host.run(
            *client, *mode, "-A", "tcp/22", *keys, *to, *options, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def captured(self, client: list[str], *options: str) -> tuple[Fields, str]:
        """The packet that a run puts on the server's wire, and what the run printed."""
        wire = inside(
            self.scene.server.host,
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL)),
        )
        with closing(wire):
            wire.bind(("eth0", EVERY_PROTOCOL))
            wire.settimeout(60)
            done = self.run(client, *options)
            assert done.returncode == 0, done.stderr
            for _ in range(200):
                frame, (_, _, direction, *_) = wire.recvfrom(4096)
                if direction == socket.PACKET_OUTGOING:
                    continue
                found = carried(frame[14:])
                if found is not None:
                    return found, done.stdout
        raise AssertionError("the packet did not come")


def carried(packet: bytes) -> Fields | None:
    """The fields of a packet that carries something our keys open; None: it is another."""
    if packet[0] >> 4 not in (4, 6) or len(packet) < 60:
        return None
    found = fields_of(packet)
    request = extract(found["payload"].replace(b"GET http://203.0.113.1/", b"GET /"))
    payload = request.payload if request else found["payload"]
    if flaw(payload) or unseal(payload, LOCK).message.user != "tester":
        return None
    return found


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with Lab() as lab:
        scene = trio(lab)
        scene.internet.sysctl("net.ipv4.conf.all.rp_filter", 0)
        yield Wire(scene, tmp_path_factory.mktemp("wire"))


@pytest.fixture(scope="module")
def _listening(wire: Wire) -> Iterator[None]:
    """Somebody accepts on the ports that connections go to."""
    here = wire.scene.server
    listeners = [
        listen(here.host, address, port)
        for address in (here.four, here.six)
        for port in (80, 443, 3128, 62201)
    ]
    for each in listeners:
        threading.Thread(target=answer, args=(each,), daemon=True).start()
    yield
    for each in listeners:
        each.close()


def answer(listener: socket.socket) -> None:
    """Say to each caller what a web server or a proxy says."""
    with contextlib.suppress(OSError):
        while True:
            channel, _ = listener.accept()
            with channel, contextlib.suppress(OSError):
                channel.settimeout(60)
                channel.recv(4096)
                channel.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")


RAW = [
    ("-P", "udpraw", "-S", "5555"),
    ("-P", "tcpraw", "-S", "5555"),
    ("-P", "icmp"),
    ("-P", "icmp", "--icmp-type", "8"),
    ("-P", "icmp", "--icmp-type", "40", "--icmp-code", "15"),
]
DRAWN = ("id", "checksum", "checksum_right", "echo_id", "payload")
"""What differs from packet to packet, and is looked at by itself."""


@pytest.mark.requirement("9.33", partial=True)
@pytest.mark.parametrize("options", RAW, ids=" ".join)
@pytest.mark.parametrize("source", [None, FORGED], ids=["own address", "forged"])
def test_a_raw_packet_has_the_fields_of_the_packaged_clients(
    wire: Wire, options: tuple[str, ...], source: str | None
) -> None:
    forged = ("-Q", source) if source else ()
    let_in = ("-a", "192.0.2.66")
    (ours, said), (theirs, said_there) = (
        wire.captured(client, "-v", *let_in, *options, *forged) for client in (OURS, THEIRS)
    )

    assert without(ours, *DRAWN) == without(theirs, *DRAWN)
    assert len(ours["payload"]) == len(theirs["payload"])
    assert ours["source"] == (source or wire.scene.caller.four)
    assert ours["id"] != 0
    assert (ours.get("echo_id", 1) == 0) == (theirs.get("echo_id", 1) == 0)
    # The packaged client leaves the checksums of UDP and TCP 0; ours are right.
    assert ours["checksum_right"]
    assert theirs["checksum"] == 0 or theirs["checksum_right"]
    assert transmitted(said) == transmitted(said_there)


@pytest.mark.requirement("9.33", partial=True)
@pytest.mark.requirement("9.32", "9.35")
@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        ("udp", {"protocol": UDP, "port": 62201}),
        ("tcp", {"protocol": TCP, "port": 62201, "flags": 2}),
        ("icmp", {"protocol": ICMP, "type": 8, "code": 0, "sequence": 1}),
    ],
)
def test_the_perl_clients_names_forge_a_source_as_well(
    wire: Wire, carrier: str, expected: Fields
) -> None:
    found, _ = wire.captured(
        OURS, "-a", "192.0.2.66", "--Spoof-proto", carrier, "--Spoof-src", "9.9.9.9"
    )
    expected = {"source": "9.9.9.9", "checksum_right": True, **expected}
    assert {name: found[name] for name in expected} == expected


def without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def transmitted(said: str) -> str:
    """The block about sending, without what we add to it and without ports that were drawn."""
    block = said[said.index("Generating SPA packet:") :]
    block = re.sub(r" +(?:address|proxy): .*\n", "", block)
    if "protocol: icmp" in block:
        block = re.sub(r"source port: [0-9]{5}", "source port: <drawn>", block)
    return block


CONNECTED = [
    ("-P", "udp"),
    ("-P", "udp", "-p", "53"),
    ("-P", "tcp"),
    ("-P", "http", "-p", "80"),
    ("-P", "http", "-p", "80", "-u", "Fwknop/test 1"),
    ("-p", "80", "-H", "http://203.0.113.1:3128"),
]


@pytest.mark.requirement("6.1", partial=True)
@pytest.mark.parametrize("options", CONNECTED, ids=" ".join)
@pytest.mark.usefixtures("_listening")
def test_a_packet_from_a_socket_goes_where_the_packaged_clients_goes_in_the_same_words(
    wire: Wire, options: tuple[str, ...]
) -> None:
    (ours, said), (theirs, said_there) = (
        wire.captured(client, "-v", "-a", "192.0.2.66", *options) for client in (OURS, THEIRS)
    )
    for name in ("protocol", "source", "destination", "port", "hops", "tos", "fragment"):
        assert ours[name] == theirs[name], name
    assert words(ours) == words(theirs)
    assert transmitted(said) == transmitted(said_there)


def words(fields: Fields) -> bytes:
    """What is around the packet, and its length."""
    text: bytes = fields["payload"]
    return re.sub(rb"[A-Za-z0-9+/_-]{140,}", lambda found: b"<%d>" % len(found[0]), text)


@pytest.mark.parametrize("source", [None, FORGED_SIX], ids=["own address", "forged"])
@pytest.mark.parametrize(
    ("options", "protocol", "more"),
    [
        (("-P", "udpraw"), UDP, {"port": 62201}),
        (
            ("-P", "tcpraw", "-p", "443"), TCP,
            {"port": 443, "seq": 1, "ack": 0, "offset": 20, "flags": 2, "window": 32767},
        ),
        (("-P", "icmp"), ICMPV6, {"type": 129, "code": 0, "echo_id": 0, "sequence": 0}),
        (("-P", "icmp", "--icmp-type", "128"), ICMPV6, {"type": 128, "code": 0, "sequence": 1}),
        (("-P", "icmp", "--icmp-type", "123", "--icmp-code", "123"), ICMPV6,
         {"type": 123, "code": 123}),
    ],
    ids=str,
)  # fmt: skip
def test_a_raw_packet_over_ipv6_is_whole_and_its_checksum_right(
    wire: Wire, options: tuple[str, ...], protocol: int, more: Fields, source: str | None
) -> None:
    forged = ("-Q", source) if source else ()
    six = wire.scene.server.six
    found, said = wire.captured(OURS, "-v", "-a", "192.0.2.66", "-D", six, *options, *forged)
    expected = {
        "protocol": protocol, "source": source or wire.scene.caller.six, "destination": six,
        "class_and_flow": 0, "checksum_right": True, **more,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert found["checksum"] != 0
    assert found["hops"] == 254  # 255, and one router on the way
    if protocol != ICMPV6:
        assert 10000 <= found["source_port"] <= 65534
    assert f"send_spa_packet: bytes sent: {40 + found['payload_length']}\n" in said


@pytest.mark.parametrize(
    ("options", "protocol", "port"),
    [
        (("-P", "udp"), UDP, 62201),
        (("-P", "tcp"), TCP, 62201),
        (("-P", "http"), TCP, 80),
    ],
    ids=str,
)
@pytest.mark.usefixtures("_listening")
def test_the_other_carriers_go_over_ipv6_as_well(
    wire: Wire, options: tuple[str, ...], protocol: int, port: int
) -> None:
    found, _ = wire.captured(OURS, "-a", "192.0.2.66", "-D", wire.scene.server.six, *options)
    assert (found["protocol"], found["destination"], found["port"]) == (
        protocol, wire.scene.server.six, port,
    )  # fmt: skip


@pytest.mark.requirement("9.25")
@pytest.mark.parametrize("carrier", ["udp", "tcp", "http", "udpraw", "tcpraw"])
@pytest.mark.usefixtures("_listening")
def test_the_source_port_that_is_asked_for_is_on_the_wire(wire: Wire, carrier: str) -> None:
    found, _ = wire.captured(OURS, "-a", "192.0.2.66", "-P", carrier, "-S", "12345")
    assert found["source_port"] == 12345


@pytest.mark.requirement("9.24", partial=True)
@pytest.mark.parametrize("carrier", ["udp", "tcpraw"])
def test_a_random_port_is_drawn_anew_for_each_packet(wire: Wire, carrier: str) -> None:
    ports = [
        wire.captured(OURS, "-a", "192.0.2.66", "-P", carrier, "-r")[0]["port"] for _ in range(3)
    ]
    assert all(10000 <= port <= 65534 for port in ports)
    assert len(set(ports)) > 1


# The release notes of 1.9.11: an ICMP packet of type 123 and code 123, and tcpdump's view of it.

TRACE = re.compile(r"^[0-9:.]+ IP (\S+) > (\S+): (ICMP .*)$", re.MULTILINE)


def traced(wire: Wire, run: Callable[[], subprocess.CompletedProcess[str]]) -> tuple[str, str, str]:
    """Source, destination and the rest of tcpdump's line about the packet of a run."""
    dump = wire.scene.server.host.start(
        "tcpdump", "-i", "eth0", "-l", "-nn", "-s", "0", "-c", "1", "icmp or udp",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert dump.stderr is not None
    while "listening on" not in str(dump.stderr.readline()):
        pass
    done = run()
    assert done.returncode == 0, done.stderr
    said, _ = dump.communicate(timeout=60)
    found = TRACE.search(str(said))
    assert found, said
    return found[1], found[2], found[3]


PLAIN_KEY = ("--key-rijndael", "a-key-without-hmac")
"""The packet of 1.9.11 had no HMAC; so its length comes out the same."""


@pytest.mark.requirement("5.9", "5.10", "5.11")
def test_the_icmp_packet_of_the_release_notes_is_seen_as_in_them(wire: Wire) -> None:
    asked = ["-s", "--Server-proto", "icmp", "--icmp-type", "123", "--icmp-code", "123"]
    ours = traced(wire, lambda: wire.run(OURS, *PLAIN_KEY, *asked))
    ends = (wire.scene.caller.four, wire.scene.server.four)
    assert ours == (*ends, "ICMP type-#123, length 169")


@pytest.mark.requirement("5.9", partial=True)
@pytest.mark.parametrize("kind", [("8", "0"), ("40", "15")], ids=str)
def test_tcpdump_cannot_tell_the_two_clients_apart(wire: Wire, kind: tuple[str, str]) -> None:
    options = (*PLAIN_KEY, "-s", "-P", "icmp", "--icmp-type", kind[0], "--icmp-code", kind[1])
    seen = [traced(wire, partial(wire.run, each, *options)) for each in (OURS, THEIRS)]
    ours, theirs = (re.sub(r"id [0-9]+", "id N", str(each)) for each in seen)
    assert ours == theirs
    assert "length 169" in ours


# Privilege.

AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.mark.requirement("5.9", partial=True)
@pytest.mark.parametrize(
    ("carrier", "family"), [("udpraw", "-4"), ("tcpraw", "-6"), ("icmp", "-4")]
)
def test_without_privilege_nobody_is_asked_for_a_key_and_nothing_is_sent(
    wire: Wire, carrier: str, family: str
) -> None:
    mode = carrier.replace("raw", "_raw")
    done = wire.scene.caller.host.run(
        *within_reach(), *AS_NOBODY,
        *OURS, "--no-rc-file", "--no-save-args", "--no-home-dir", "-E", "/dev/null",
        "-A", "tcp/22", "-s", "-D", "spa.example.org", "-P", carrier, family, "--stdin",
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"send_spa_packet_{mode}: create socket: Operation not permitted",
        "send_spa_packet: packet not sent.",
        "fwknop: hint: whole packets need root or CAP_NET_RAW: run it with sudo, "
        "or choose another way, -P udp",
    ]
