"""watchword doctor: every fault is made, and named."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.daemon import PROGRAMS, Server, base64
from tests.plugins.privileges import PACKAGED
from tests.system.connect_scene import ConnectScene, connect_scene, name_hosts, section
from watchword.lab.hosts import Host
from watchword.lab.sockets import open_socket
from watchword.model.crypto import Secret

pytestmark = pytest.mark.system
WELL, UNSEEN, FILE, NAME, CLOCK, PATH, SERVICE, UNPROTECTED = range(8)
PATIENCE = ("--timeout", "0.6")
PATIENTLY = ("--timeout", "60")
"""For what comes: in a moment, or, for a refusal, after the second that a firewall gets."""
OTHER_KEY = Secret(b"a key that the server has not...")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectScene]:
    with connect_scene(tmp_path_factory.mktemp("doctor")) as made:
        server = made.net.server
        made.write_rc(
            section("home", server.four),
            section("six", server.six),
            section("stranger", server.four, KEY_BASE64=base64(OTHER_KEY)),
            section("nowhere", "no-such-host.example"),
            section("elsewhere", "203.0.113.77"),
            section("udp", server.four, ACCESS="udp/53"),
            section("server.example", "server.example"),
            section("weak", server.four, KEY_BASE64="", KEY="secret"),
        )
        names = name_hosts(made.net.caller.host, f"{server.four} server.example\n")
        (names / "resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        yield made
        shutil.rmtree(names)


def doctor(scene: ConnectScene, *argv: str) -> tuple[int, dict[str, Any]]:
    done = scene.watchword("doctor", "--json", *PATIENCE, *argv)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return done.returncode, told


Told: TypeAlias = dict[str, tuple[int, dict[str, Any]]]
AT_ONCE = {
    "well": ("home", "21", *PATIENTLY),
    "well by IPv6": ("six", "22", *PATIENTLY),
    "no such name": ("nowhere", "22"),
    "no way": ("elsewhere", "22"),
    "wrong key": ("stranger", "26"),
    "not offered": ("home", "99"),
    "service down": ("home", "27", *PATIENTLY),
    "open to everybody": ("home", "8080"),
    "neither hidden nor served": ("home", "8081", *PATIENTLY),
    "weak key": ("weak", "26"),
    "no port": ("udp",),
    "no such stanza": ("hoem", "22"),
    "another port": ("udp", "22"),
}
"""Faults that do not get in each other's way."""


@pytest.fixture(scope="module")
def told(scene: ConnectScene) -> Told:
    """Exit status and answer for each of these."""
    for port in (21, 8080):
        scene.listen(port)
    scene.listen(22, scene.net.server.six)
    scene.net.caller.host.run("ip", "route", "add", "unreachable", "203.0.113.77")
    with rule(scene.net.server.host, "input", "tcp dport 99 drop"):
        return side_by_side(scene, AT_ONCE)


def side_by_side(scene: ConnectScene, calls: dict[str, tuple[str, ...]]) -> Told:
    """Exit status and answer of several runs at once, because looking takes a second each."""
    started = {
        name: scene.start(
            "doctor", "--json", *PATIENCE, *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for name, argv in calls.items()
    }
    ended = {name: process.communicate(timeout=60) for name, process in started.items()}
    assert {said for _, said in ended.values()} == {b""}
    return {name: (started[name].returncode, json.loads(ended[name][0])) for name in calls}


@contextlib.contextmanager
def rule(host: Host, hook: str, text: str) -> Iterator[None]:
    """A firewall rule of a fault, for a while."""
    host.run("nft", "add table inet fault")
    host.run("nft", f"add chain inet fault it {{ type filter hook {hook} priority 0; }}")
    host.run("nft", f"add rule inet fault it {text}")
    try:
        yield
    finally:
        host.run("nft", "delete table inet fault")


@contextlib.contextmanager
def time_server(host: Host, address: str, ahead: float) -> Iterator[None]:
    """Answers the network time protocol at port 123, with a clock that is so far ahead."""
    channel = open_socket(host, address, socket.SOCK_DGRAM)
    channel.bind((address, 123))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                asked, caller = channel.recvfrom(100)
                now = int((time.time() + ahead + 2_208_988_800) * 2**32) & (2**64 - 1)
                echoed = struct.unpack("!Q", asked[40:48])[0]
                channel.sendto(
                    struct.pack("!BBbb3I4Q", 0x24, 2, 0, -20, 0, 0, 0, 0, echoed, now, now), caller
                )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        channel.close()


@pytest.mark.parametrize("fault", ["well", "well by IPv6"])
def test_where_everything_works_that_is_said(told: Told, fault: str) -> None:
    status, answer = told[fault]
    assert (status, answer["diagnosis"]["trouble"]) == (WELL, "none")
    seen = answer["seen"]
    assert (seen["before"], seen["after"]) == ("silence", "answer")
    assert seen["objection"]["kind"] == "none"


@pytest.mark.parametrize(
    ("fault", "status", "trouble", "said"),
    [
        ("no such name", NAME, "name", "'no-such-host.example' has no address"),
        ("no way", PATH, "path", "203.0.113.77"),
        ("wrong key", UNSEEN, "unseen", "key or policy refuse it"),
        ("not offered", UNSEEN, "unseen", "key or policy refuse it"),
        ("service down", SERVICE, "service", "opened, and the service is down"),
        ("open to everybody", UNPROTECTED, "unprotected", "answers without a knock"),
        ("neither hidden nor served", SERVICE, "service", "and nothing hides it"),
        ("no port", WELL, "none", "no TCP port is asked for"),
        ("no such stanza", FILE, "file", "has no stanza for 'hoem'"),
        ("another port", FILE, "file", "asks for udp/53"),
    ],
)
def test_a_fault_is_named_in_one_sentence(
    told: Told, fault: str, status: int, trouble: str, said: str
) -> None:
    given, answer = told[fault]
    assert (given, answer["diagnosis"]["trouble"]) == (status, trouble)
    assert said in answer["diagnosis"]["sentence"]
    assert answer["diagnosis"]["remedy"]


def test_what_is_weak_about_a_stanza_is_remarked_on(told: Told) -> None:
    assert told["well"][1]["remarks"] == []
    [remark] = told["weak key"][1]["remarks"]
    assert "the encryption key is one that everybody can read" in remark["message"]
    assert remark["remedy"] == "make new keys with fwknop --key-gen"


def test_a_packet_that_was_refused_is_explained_by_its_server(
    scene: ConnectScene, told: Told
) -> None:
    packet = told["wrong key"][1]["seen"]["packet"]
    remedy = told["wrong key"][1]["diagnosis"]["remedy"]
    assert f"watchword explain -s YOUR-ADDRESS {packet}" in remedy
    explained = scene.net.server.host.run(
        str(PROGRAMS / "watchword"), "explain", *scene.server.files, "-s", scene.net.caller.four,
        packet, check=False,
    )  # fmt: skip
    assert "this stanza's key does not decrypt it" in explained.stdout
    assert "port-not-offered" in {each.get("reason") for each in scene.server.judged}


def documented() -> list[str]:
    """The transcript in docs/connect.md, its command first."""
    page = (Path(__file__).parents[2] / "docs" / "connect.md").read_text("utf-8")
    transcript = page.partition("    $ ")[2].partition("\n\n")[0]
    return [line.removeprefix("    ") for line in transcript.split("\n")]


def test_a_clock_that_is_wrong_as_the_page_shows_it(scene: ConnectScene) -> None:
    command, *lines = documented()
    argv = command.removeprefix("watchword ").split()
    with time_server(scene.net.server.host, scene.net.server.four, 0):
        done = scene.net.caller.host.run(
            sys.executable, str(Path(__file__).with_name("wrong_clock.py")), "-600",
            *argv, *PATIENCE,
            check=False, env={**scene.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    assert done.returncode == CLOCK, done.stdout + done.stderr
    assert done.stdout.splitlines() == lines


def test_a_clock_is_compared_with_whom_the_caller_names(scene: ConnectScene) -> None:
    scene.listen(24)
    stranger = scene.net.stranger
    with time_server(stranger.host, stranger.four, 7000):
        status, told = doctor(scene, "home", "24", "--clock", stranger.four, *PATIENTLY)
    assert status == WELL
    assert told["seen"]["clock"]["of"] == stranger.four
    assert abs(told["seen"]["clock"]["ahead"] - 7000) < 5
    assert "although the clock of 192.0.2.66 is 7000 seconds ahead" in told["diagnosis"]["sentence"]


@pytest.mark.parametrize("clock", ["ftp://x/", "no-such-host.example"])
def test_a_clock_that_cannot_be_asked_is_told_before_anything_is_sent(
    scene: ConnectScene, clock: str
) -> None:
    before = scene.so_far()
    status, told = doctor(scene, "home", "24", "--clock", clock)
    assert status == FILE
    assert clock in told["diagnosis"]["sentence"]
    assert scene.so_far() == before


def test_a_router_that_prohibits_the_way_is_named(scene: ConnectScene) -> None:
    reject = "udp dport 62201 reject with icmpx type admin-prohibited"
    with rule(scene.net.internet, "forward", reject):
        told = side_by_side(scene, {"home": ("home", "25"), "six": ("six", "25")})
    for name, router in (("home", "198.51.100.254"), ("six", "2001:db8:2::fe")):
        status, answer = told[name]
        assert (status, answer["diagnosis"]["trouble"]) == (PATH, "path")
        assert answer["seen"]["objection"] == {"kind": "prohibited", "by": router}
        assert f"{router} does not allow UDP to port 62201" in answer["diagnosis"]["sentence"]
        assert "--via" in answer["diagnosis"]["remedy"]


def test_a_firewall_of_our_own_that_keeps_the_packet_in(scene: ConnectScene) -> None:
    with rule(scene.net.caller.host, "output", "udp dport 62201 drop"):
        status, told = doctor(scene, "home", "25")
    assert status == PATH
    assert "this machine does not let the packet out" in told["diagnosis"]["sentence"]


def test_what_the_first_ways_of_a_list_came_to_is_remarked_on(scene: ConnectScene) -> None:
    done = scene.watchword("doctor", *PATIENCE, "-o", "--via tcp:9,udp", "home", "36")
    server = scene.net.server.four
    assert f"[*] udp to {server}:62201: sent: nothing confirms a datagram\n" in done.stderr
    assert f"\nremark     [-] tcp to {server}:9: " in f"\n{done.stdout}"


def test_a_packet_that_vanishes_cannot_be_told_from_a_wrong_key(scene: ConnectScene) -> None:
    with rule(scene.net.internet, "forward", "udp dport 62201 drop"):
        status, told = doctor(scene, "home", "25")
    assert (status, told["diagnosis"]["trouble"]) == (UNSEEN, "unseen")
    assert "got lost in silence" in told["diagnosis"]["sentence"]


def test_a_server_that_is_not_running(scene: ConnectScene) -> None:
    scene.server.stop()
    try:
        status, told = doctor(scene, "home", "28")
    finally:
        scene.server.start()
    assert status == SERVICE
    assert "fwknopd does not listen" in told["diagnosis"]["sentence"]
    assert told["seen"]["objection"] == {"kind": "nobody", "by": scene.net.server.four}


def test_without_a_host_the_whole_rc_file_is_checked(scene: ConnectScene) -> None:
    other = scene.folder / "other"
    other.write_text(
        section("weak", "192.0.2.1", KEY_BASE64="", KEY="secret")
        + section("bad", "192.0.2.1", FW_TIMEOUT="99999999")
        + section("keyless", "192.0.2.1", KEY_BASE64="")
    )
    other.chmod(0o644)
    done = scene.watchword("doctor", "--rc-file", str(other))
    assert done.returncode == FILE
    for words in (
        "permissions should only be user read/write",
        "[weak] [-] WARNING: the encryption key is one that everybody can read",
        "[bad] Parameter error in",
        "[keyless] has no key: fwknop will ask for it",
        "diagnosis  the rc file has a mistake",
    ):
        assert words in done.stdout
    done = scene.watchword("doctor")
    assert done.returncode == WELL
    assert (
        "its stanzas: home, six, stranger, nowhere, elsewhere, udp, server.example, weak"
        in done.stdout
    )


@pytest.mark.peer("fwknopd")
def test_the_packaged_server_and_its_firewall_are_examined_alike(
    scene: ConnectScene, tmp_path: Path
) -> None:
    scene.server.stop()
    host = scene.net.server.host
    host.run("nft", "flush", "ruleset")
    host.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "30:31", "-j", "DROP")
    packaged = Server(host, tmp_path)
    packaged.settings = {
        "ENABLE_UDP_SERVER": "Y",
        "FWKNOP_RUN_DIR": str(tmp_path),
        "DIGEST_FILE": str(tmp_path / "digest.cache"),
        "PCAP_INTF": "eth0",
    }
    packaged.access = f"{scene.server.access}FW_ACCESS_TIMEOUT 300\n"
    packaged.command = [str(shutil.which("fwknopd", path=PACKAGED))]
    packaged.start()
    try:
        scene.listen(30)
        told = side_by_side(
            scene, {"30": ("home", "30", *PATIENTLY), "31": ("home", "31", *PATIENTLY)}
        )
        assert (told["30"][0], told["31"][0]) == (WELL, SERVICE)
        assert doctor(scene, "stranger", "30", "-4")[0] == UNPROTECTED  # the grant lives on
    finally:
        packaged.stop()
        host.run("iptables", "-F")
        scene.server.start()
