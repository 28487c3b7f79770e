"""Grants for a part of an address, for networks and for several addresses, in a real kernel.

One server, and the building of the lab: Alice owns the grants, Bob is her neighbour, Mallory a
stranger, and all three come from one address.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import base64, stanza, until
from tests.system.building_scene import Shared
from tests.system.connect_scene import answering, name_hosts, section
from tests.values import MAC_KEY, credential
from watchword.lab.building import building
from watchword.lab.hosts import Lab
from watchword.lab.sockets import SILENCE, connect, open_socket
from watchword.lab.trio import Station
from watchword.model.crypto import Credential, Secret
from watchword.service import asking
from watchword.wire.spa.message import MessageType

pytestmark = pytest.mark.system

BOUND, NEAR, FIRST, MANY, OFFERED = 21, 22, 23, 24, 25
UDP = 53
KEYS = {port: Secret(b"one key of 32 bytes for port %03d" % port) for port in range(21, 26)}
SECOND = ("192.0.2.67", "2001:db8:3::67")
"""More addresses of the host elsewhere, in the same networks as its first ones."""


def sealed_for(port: int) -> Credential:
    return credential(KEYS[port], MAC_KEY)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Lab() as lab:
        made = Shared(building(lab), tmp_path_factory.mktemp("shared"))
        prefixes = {"PREFIXES_IPV4": "24", "PREFIXES_IPV6": "64"}
        wanted: dict[int, dict[str, str]] = {
            BOUND: {"BIND_SOURCE_PORT": "required", "OPEN_PORTS": f"tcp/{BOUND}, udp/{UDP}"},
            NEAR: {**prefixes, "WIDEN_TO_PREFIX": "Y"},
            FIRST: {**prefixes, "WIDEN_TO_PREFIX": "Y", "FIRST_CONNECTS_ONLY": "Y"},
            MANY: {"MORE_ADDRESSES": "1", "GRANT_ALSO_SOURCE": "Y", "NAMED_ADDRESSES": INSIDE},
            OFFERED: {"BIND_SOURCE_PORT": "offered", "FW_ACCESS_TIMEOUT": "2"},
        }
        made.server.access = "".join(
            stanza(KEYS[port], **{"OPEN_PORTS": f"tcp/{port}", **lines})
            for port, lines in wanted.items()
        )
        for address in SECOND:
            length = "24" if "." in address else "64"
            nodad = () if "." in address else ("nodad",)
            made.net.elsewhere.host.run(
                "ip", "addr", "add", f"{address}/{length}", "dev", "eth0", *nodad
            )
        for address in (made.net.server.four, made.net.server.six):
            for port in wanted:
                listener = made.listen(port, address)
                if port == OFFERED:
                    answering(listener, b"welcome")
        made.server.start()
        yield made
        made.close()
        made.server.stop()


INSIDE = "2001:db8:2::/64, 2001:db8:3::/64, 192.0.2.0/24"


def control(scene: Shared) -> Path:
    return scene.server.folder / "run" / asking.NAME


def admit(scene: Shared, who: Station, port: int, words: str = "", **more: Any) -> dict[str, Any]:
    text = f"0.0.0.0,admit tcp/{port} {words}".rstrip()
    return scene.knock(who, text, sealed_for(port), type=MessageType.COMMAND, **more)


def plain(scene: Shared, who: Station, port: int, allow: str = "0.0.0.0", **more: Any) -> Any:
    return scene.knock(who, f"{allow},tcp/{port}", sealed_for(port), **more)


def is_let_in(
    scene: Shared,
    who: Station,
    port: int,
    own: tuple[str, int],
    *,
    six: bool = False,
    seconds: float = 30.0,
) -> bool:
    """Whether a connection from that address and port of somebody's own host is answered."""
    address = scene.net.server.six if six else scene.net.server.four
    made = connect(who.host, address, port, seconds, own)
    if made is not None:
        made.close()
    return made is not None


def let_in_of(
    scene: Shared,
    port: int,
    tries: list[tuple[Station, int]],
    *,
    six: bool = False,
    seconds: float = 0.4,
) -> list[tuple[str, int]]:
    """Which of these people's ports are let in, all of them trying at once."""
    with ThreadPoolExecutor(len(tries)) as crowd:
        came = crowd.map(
            lambda each: is_let_in(scene, each[0], port, ("", each[1]), six=six, seconds=seconds),
            tries,
        )
        return [
            (who.host.name, own) for (who, own), let_in in zip(tries, came, strict=True) if let_in
        ]


def unanswered(connection: socket.socket) -> int:
    """Bytes that the other side has not acknowledged."""
    room = bytearray(4)
    fcntl.ioctl(connection, termios.TIOCOUTQ, room)
    return int.from_bytes(room, sys.byteorder)


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("six", [False, True])
def test_a_grant_that_is_bound_lets_in_its_owner_by_that_port_and_no_neighbour(
    scene: Shared, six: bool
) -> None:
    net = scene.net
    own = 40123
    told = admit(scene, net.alice, BOUND, f"port {own}", six=six)
    assert told["verdict"] == "granted"
    assert told["from_port"] == own
    others = [(each, port) for each in (net.bob, net.mallory) for port in (0, own - 1, own + 1)]
    assert let_in_of(scene, BOUND, [*others, (net.alice, 0)], six=six) == []
    address = net.server.six if six else net.server.four
    with contextlib.closing(connect(net.alice.host, address, BOUND, 30, ("", own))) as made:  # type: ignore[type-var]
        assert made is not None
        # her connection has the port, so the office gives another one to who wants the same
        assert let_in_of(scene, BOUND, [(net.bob, own), (net.mallory, own)], six=six) == []
    whom = f"{net.office.six if six else net.office.four} port {own}"
    assert f"for {whom} ->" in scene.server.log


def test_a_connection_by_its_own_port_lives_through_a_lost_guard_and_ends_when_it_is_cut(
    scene: Shared,
) -> None:
    net, own = scene.net, 40150
    admit(scene, net.alice, BOUND, f"port {own}")
    made = connect(net.alice.host, net.server.four, BOUND, 30, ("", own))
    assert made is not None
    with made:
        net.server.host.run("nft", "flush", "ruleset")
        scene.server.wait_for("other hands had changed the firewall")
        made.sendall(b"still here")
        until(lambda: not unanswered(made))
        assert let_in_of(scene, BOUND, [(net.bob, 0)]) == []
        asking.change(control(scene), "revoke", all=True, cut=True)
        made.sendall(b"and now?")
        with pytest.raises(AssertionError):
            until(lambda: not unanswered(made), 0.5)


def test_where_the_office_rewrites_ports_nobody_is_let_in_by_a_bound_grant(scene: Shared) -> None:
    net, own = scene.net, 40200
    net.rewrite_ports(True)
    try:
        assert admit(scene, net.alice, BOUND, f"port {own}")["verdict"] == "granted"
        assert let_in_of(scene, BOUND, [(each, own) for each in net.people]) == []
    finally:
        net.rewrite_ports(False)


def test_who_has_the_port_at_the_office_before_its_owner_is_let_in_by_it(scene: Shared) -> None:
    """One SYN is enough, which nobody answers: the office keeps the port for two minutes."""
    net, own = scene.net, 40250
    assert let_in_of(scene, BOUND, [(net.mallory, own)]) == []
    assert admit(scene, net.alice, BOUND, f"port {own}")["verdict"] == "granted"
    assert let_in_of(scene, BOUND, [(net.alice, own)]) == []
    assert let_in_of(scene, BOUND, [(net.mallory, own)], seconds=30) == [
        (net.mallory.host.name, own)
    ]


def test_a_whole_address_is_refused_where_binding_is_required_and_the_log_says_whose_wish(
    scene: Shared,
) -> None:
    told = plain(scene, scene.net.mallory, BOUND, user="mallory")
    assert (told["reason"], told["user"]) == ("source-port-required", "mallory")
    assert "No source port, which the stanza requires, by mallory." in scene.server.log


def test_datagrams_are_bound_to_their_port_as_connections_are(scene: Shared) -> None:
    net, own = scene.net, 40300
    receiver = open_socket(net.server.host, net.server.four, socket.SOCK_DGRAM)
    with contextlib.closing(receiver):
        receiver.bind((net.server.four, UDP))
        receiver.settimeout(30)
        text = f"0.0.0.0,admit udp/{UDP} port {own}"
        told = scene.knock(net.alice, text, sealed_for(BOUND), type=MessageType.COMMAND)
        assert told["verdict"] == "granted"
        for who, port in ((net.bob, 0), (net.alice, 0), (net.alice, own)):
            with contextlib.closing(
                open_socket(who.host, net.server.four, socket.SOCK_DGRAM)
            ) as out:
                out.bind(("", port))
                out.sendto(b"%s" % who.host.name.encode(), (net.server.four, UDP))
        assert receiver.recvfrom(100)[1] == (net.office.four, own)


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("six", [False, True])
def test_a_prefix_lets_in_its_addresses_and_nobody_beside_it(scene: Shared, six: bool) -> None:
    """As for a phone, or for a host that changes its IPv6 address for every connection."""
    net = scene.net
    assert plain(scene, net.elsewhere, NEAR, six=six)["prefix"] == (64 if six else 24)
    assert is_let_in(scene, net.elsewhere, NEAR, (SECOND[six], 0), six=six)
    assert not is_let_in(scene, net.mallory, NEAR, ("", 0), six=six, seconds=SILENCE)


@pytest.mark.parametrize("six", [False, True])
def test_of_a_prefix_only_the_first_that_connects_is_let_in_however_many_try_at_once(
    scene: Shared, six: bool
) -> None:
    net = scene.net
    first = (net.elsewhere.six if six else net.elsewhere.four, SECOND[six])
    told = plain(scene, net.elsewhere, FIRST, six=six)
    assert told["only"] == "the first that connects"
    tries = [first[n % 2] for n in range(8)]
    winners: set[str] = set()
    for seconds in (0.4, 10):  # the second for a machine that is busy

        def comes_in(own: str, seconds: float = seconds) -> bool:
            place = (own, 0)
            return is_let_in(scene, net.elsewhere, FIRST, place, six=six, seconds=seconds)

        with ThreadPoolExecutor(8) as crowd:
            came = list(crowd.map(comes_in, tries))
        winners |= {own for own, yes in zip(tries, came, strict=True) if yes}
        if winners:
            break
    assert len(winners) == 1
    [winner] = winners
    [other] = set(first) - winners
    assert is_let_in(scene, net.elsewhere, FIRST, (winner, 0), six=six)
    # What the first has taken is gone, however long the grant: a limit would let in one a week.
    name = "first6_64" if six else "first4_24"
    left = net.server.host.run("nft", "list", "set", "inet", "watchword", name).stdout
    assert "limit rate 1/week" in left
    assert "elements" not in left

    plain(scene, net.elsewhere, FIRST, six=six)  # a renewal gives nobody another chance
    assert not is_let_in(scene, net.elsewhere, FIRST, (other, 0), six=six, seconds=SILENCE)
    assert is_let_in(scene, net.elsewhere, FIRST, (winner, 0), six=six)

    asking.change(control(scene), "revoke", all=True)
    until(lambda: not is_let_in(scene, net.elsewhere, FIRST, (winner, 0), six=six, seconds=SILENCE))
    plain(scene, net.elsewhere, FIRST, six=six)  # a new grant does
    assert is_let_in(scene, net.elsewhere, FIRST, (other, 0), six=six)
    assert not is_let_in(scene, net.elsewhere, FIRST, (winner, 0), six=six, seconds=SILENCE)


@pytest.mark.requirement("2.23", partial=True)
def test_who_knocks_over_one_ip_version_connects_over_the_other(scene: Shared) -> None:
    net = scene.net
    six = net.office.six
    assert not is_let_in(scene, net.alice, MANY, ("", 0), six=True, seconds=SILENCE)
    told = admit(scene, net.alice, MANY, f"also {six}")
    assert told["also"] == [six]
    assert is_let_in(scene, net.alice, MANY, ("", 0), six=True)
    assert is_let_in(scene, net.alice, MANY, ("", 0))


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("six", [False, True])
def test_the_client_finds_its_own_address_of_the_other_ip_version(
    scene: Shared, tmp_path: Path, six: bool
) -> None:
    net, since = scene.net, len(scene.server.judged)
    others = (net.elsewhere.four, SECOND[0]) if six else (net.elsewhere.six, SECOND[1])
    rc = tmp_path / ".fwknoprc"
    rc.touch(mode=0o600)
    lines = {"KEY_BASE64": base64(KEYS[MANY]), "ACCESS": f"tcp/{MANY}", "ALSO_ALLOW": "other"}
    hosts = name_hosts(net.elsewhere.host, f"{net.server.four} both\n{net.server.six} both\n")
    try:
        rc.write_text(section("home", "both", **lines), "utf-8")
        options = ("-6",) if six else ("-4",)
        done = scene.program(
            net.elsewhere, "watchword", "connect", "home", str(MANY), "--check", *options,
            home=tmp_path,
        )  # fmt: skip
    finally:
        shutil.rmtree(hosts)
    assert done.returncode == 0, done.stderr
    told = scene.server.wait_for_judgements(since + 1)[since]  # a second one, if it is slow
    [also] = told["also"]
    assert also in others
    assert is_let_in(scene, net.elsewhere, MANY, ("", 0), six=not six)


def test_inner_and_outer_address_are_let_in_by_one_packet_of_an_unmodified_client(
    scene: Shared,
) -> None:
    net = scene.net
    told = plain(scene, net.elsewhere, MANY, allow=SECOND[0])
    assert (told["who"], told["also"]) == (SECOND[0], [net.elsewhere.four])
    for own in (SECOND[0], net.elsewhere.four):
        assert is_let_in(scene, net.elsewhere, MANY, (own, 0))


def test_whoever_asks_for_more_is_refused_and_named(scene: Shared) -> None:
    net = scene.net
    wishes = (
        (NEAR, "prefix 16", "prefix-not-offered"),
        (NEAR, "prefix 8", "prefix-not-offered"),
        (NEAR, "port 40123", "source-port-not-offered"),
        (MANY, "also 203.0.113.77", "address-not-to-be-named"),
        (MANY, "also 192.0.2.1 also 192.0.2.2", "too-many-addresses"),
        (BOUND, "port 99999", "admit-unreadable"),
    )
    for port, words, reason in wishes:
        told = admit(scene, net.mallory, port, words, user="mallory")
        assert (told["verdict"], told["reason"], told["user"]) == ("refused", reason, "mallory")
    told = scene.knock(net.mallory, "0.0.0.0,tcp/99", sealed_for(NEAR), user="mallory")
    assert (told["reason"], told["user"]) == ("port-not-offered", "mallory")
    told = admit(scene, net.mallory, NEAR, "for 999999", user="mallory")
    assert (told["seconds"], told["user"]) == (300, "mallory")
    assert "An address that may not be named here, by mallory: 203.0.113.77." in scene.server.log
    assert "A prefix that is not offered, by mallory: 198.51.100.2/16." in scene.server.log


def connecting(
    scene: Shared, folder: Path, port: int, *argv: str, six: bool = False, **lines: str
) -> subprocess.CompletedProcess[str]:
    """``watchword connect`` on Alice's machine."""
    address = scene.net.server.six if six else scene.net.server.four
    key = base64(KEYS[port])
    rc = folder / ".fwknoprc"
    rc.touch(mode=0o600)
    rc.write_text(section("home", address, KEY_BASE64=key, **lines), "utf-8")
    return scene.program(
        scene.net.alice, "watchword", "connect", "home", str(port), *argv, home=folder, input=""
    )


@pytest.mark.requirement("2.23", partial=True)
@pytest.mark.parametrize("six", [False, True])
def test_connect_declares_its_port_and_gets_in_by_a_grant_for_just_that(
    scene: Shared, tmp_path: Path, six: bool
) -> None:
    since = len(scene.server.judged)
    done = connecting(scene, tmp_path, OFFERED, six=six, BIND_SOURCE_PORT="only")
    assert (done.stdout, done.stderr, done.returncode) == ("welcome", "", 0)
    told = scene.server.wait_for_judgements(since + 1)[since]  # a second one, if it is slow
    assert told["from_port"] > 1024
    assert told["who"] == (scene.net.office.six if six else scene.net.office.four)


@pytest.mark.requirement("2.23", partial=True)
def test_where_ports_are_rewritten_connect_says_so_and_asks_for_what_policy_allows(
    scene: Shared, tmp_path: Path
) -> None:
    since = len(scene.server.judged)
    scene.net.rewrite_ports(True)
    try:
        wider = connecting(scene, tmp_path, OFFERED, BIND_SOURCE_PORT="first")
        bound = [each.get("from_port") for each in scene.server.judged[since:]]
        never = connecting(scene, tmp_path, BOUND, "--bind", "only", "--timeout", "0.5")
    finally:
        scene.net.rewrite_ports(False)
    assert (wider.stdout, wider.returncode) == ("welcome", 0)
    assert "a translator on the way may change the port" in wider.stderr
    assert [port is None for port in bound[:3]] == [False, False, True]
    assert not any(bound[3:])
    assert bound[0] != bound[1]
    assert (never.stdout, never.returncode) == ("", 1)
    assert "BIND_SOURCE_PORT only asks for nothing wider" in never.stderr


def test_a_command_that_has_a_port_of_its_own_gets_a_grant_for_it(
    scene: Shared, tmp_path: Path
) -> None:
    connecting(scene, tmp_path, BOUND, "--check", BIND_SOURCE_PORT="only")  # writes the rc file
    since = len(scene.server.judged)
    for options, status in ((("--from-port", "51820"), 0), ((), 125)):
        done = scene.program(
            scene.net.alice, "watchword", "run", "home", "-p", str(BOUND), *options, "--", "true",
            home=tmp_path,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
    assert {each.get("from_port") for each in scene.server.judged[since:]} == {51820}
