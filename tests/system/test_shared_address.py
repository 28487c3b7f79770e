"""One address, many people: what the server's modes against sharing do, seen from every chair.

One daemon with a stanza for each mode; Alice asks for what is hers, Bob has a key as well, Mallory
has none and comes from the same address.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import base64, stanza, until
from tests.sealing import sealed
from tests.system.building_scene import Shared, shared_scene
from tests.system.connect_scene import section
from watchword.lab.hosts import can_make_namespaces
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Station
from watchword.model.crypto import Credential, Secret
from watchword.service import asking
from watchword.wire.spa.message import MessageType

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(can_make_namespaces()), reason=can_make_namespaces()),
]
_MOMENT = 0.15
MODES = {
    "counted": "COUNT_CONNECTIONS Y",
    "door": "DOOR_TIMEOUT 2\nFW_ACCESS_TIMEOUT 60",
    "secret": "SECRET_PORTS 40000-59999",
    "refuse": "EXCLUSIVE_LEASE refuse",
    "queue": "EXCLUSIVE_LEASE queue\nENABLE_OWNER_CLOSE Y",
    "tell": "EXCLUSIVE_LEASE tell",
    "quota": "MAX_IDENTITIES_PER_ADDRESS 1\nMAX_GRANTS_PER_ADDRESS 2",
}
PORTS = {mode: 2201 + at for at, mode in enumerate(MODES)}
PEOPLE = ("alice", "bob", "carol")


def key(mode: str, person: str) -> Credential:
    """Everybody has a key of his own for each mode."""
    return Credential(
        Secret(f"the key of {person} for {mode}".ljust(32, "!").encode()),
        mac_key=Secret(f"the hmac key of {person} for {mode}".ljust(64, "!").encode()),
    )


def access() -> str:
    found = ""
    for mode, lines in MODES.items():
        for person in PEOPLE:
            sealed_with = key(mode, person)
            assert sealed_with.mac_key is not None
            ports = f"tcp/{PORTS[mode]},tcp/{PORTS[mode] + 100}"
            found += stanza(sealed_with.key, sealed_with.mac_key, OPEN_PORTS=ports)
            found += f"{lines}\n\n"
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared_scene(tmp_path_factory.mktemp("shared")) as found:
        found.server.access = access()
        found.server.start()
        for port in PORTS.values():
            found.listen(port)
        yield found


@pytest.fixture(autouse=True)
def nobody_in(scene: Shared) -> Iterator[None]:
    yield
    empty(scene)


def empty(scene: Shared) -> None:
    """End every grant, also those that somebody waited for."""
    until(lambda: not asking.change(control(scene), "revoke", all=True)["revoked"])


def control(scene: Shared) -> Path:
    return scene.server.folder / "run" / asking.NAME


def knock(scene: Shared, who: Station, mode: str, person: str, port: int = 0) -> dict[str, Any]:
    text = f"{scene.net.office.four},tcp/{port or PORTS[mode]}"
    return scene.knock(who, text, key(mode, person), user=person)


def send(scene: Shared, who: Station, mode: str, person: str, text: str, **more: Any) -> None:
    """Send a packet and wait for nothing."""
    payload = sealed(text, key(mode, person), user=person, sent_at=int(time.time()), **more)
    send_datagram(who.host, payload, scene.net.server.four, 62201)


def grants(scene: Shared) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asking.ask(control(scene), "grants")["grants"]
    return found


@pytest.mark.requirement("2.23", partial=True)
def test_a_counted_grant_lets_its_owner_in_once_and_nobody_after_him(scene: Shared) -> None:
    port = PORTS["counted"]
    judged = knock(scene, scene.net.alice, "counted", "alice")
    assert (judged["verdict"], judged["connections"]) == ("granted", 1)
    [row] = grants(scene)
    assert (row["connections"], row["connections_left"], row["door_open"]) == (1, 1, True)
    assert "lets in 1 new connection, and no more" in scene.server.log
    assert scene.connects(scene.net.alice, port) is not None
    for who in (scene.net.bob, scene.net.mallory, scene.net.alice):
        assert scene.is_shut_for(who, port, seconds=_MOMENT)
    [row] = grants(scene)
    assert (row["connections_left"], row["door_open"], row["in_force"]) == (0, False, True)
    assert "0 of 1 connections left" in scene.server.tool("grants").stdout


def test_colleagues_who_share_an_address_have_a_connection_each_and_may_ask_for_another(
    scene: Shared,
) -> None:
    port = PORTS["counted"]
    knock(scene, scene.net.alice, "counted", "alice")
    assert scene.connects(scene.net.alice, port) is not None
    knock(scene, scene.net.bob, "counted", "bob")
    assert scene.connects(scene.net.bob, port) is not None
    assert scene.is_shut_for(scene.net.mallory, port, seconds=_MOMENT)
    again = knock(scene, scene.net.alice, "counted", "alice")
    assert again["by"] == "renewal"
    assert scene.connects(scene.net.alice, port) is not None
    assert scene.is_shut_for(scene.net.mallory, port, seconds=_MOMENT)


@pytest.mark.requirement("2.23", partial=True)
def test_a_short_door_shuts_while_the_grant_and_its_connection_go_on(scene: Shared) -> None:
    port = PORTS["door"]
    judged = knock(scene, scene.net.alice, "door", "alice")
    assert (judged["door_seconds"], judged["seconds"]) == (2, 60)
    mine = scene.connects(scene.net.alice, port)
    assert mine is not None
    until(lambda: scene.is_shut_for(scene.net.mallory, port, seconds=_MOMENT), 30)
    [row] = grants(scene)
    assert row["remaining"] > 20
    assert (row["in_force"], row["door_open"]) == (True, False)
    mine.sendall(b"still here")
    assert _acknowledged(mine)
    more = knock(scene, scene.net.alice, "door", "alice")
    assert more["by"] == "renewal"
    assert scene.connects(scene.net.alice, port) is not None


@pytest.mark.requirement("2.23", partial=True)
def test_a_secret_port_leads_only_who_knows_it_to_the_service(scene: Shared) -> None:
    real = PORTS["secret"]
    judged = knock(scene, scene.net.alice, "secret", "alice")
    [service], secret = judged["services"], _port(judged)
    assert judged["leads_to"] == f"here:{real}"
    assert service == f"tcp/{secret}"
    assert 40000 <= secret <= 59999
    assert scene.connects(scene.net.alice, secret) is not None
    for who in (scene.net.mallory, scene.net.alice):
        for port in (real, secret - 1, secret + 1, 40000, 59999):
            assert scene.is_shut_for(who, port, seconds=_MOMENT)
    assert _port(knock(scene, scene.net.alice, "secret", "alice")) != secret


def test_a_client_may_choose_the_secret_port_as_those_of_fwknop_do(scene: Shared) -> None:
    real = PORTS["secret"]
    office = scene.net.office.four
    more: dict[str, Any] = {
        "type": MessageType.LOCAL_NAT_ACCESS,
        "nat": f"{scene.net.server.four},{real}",
    }
    asked = f"{office},tcp/45678"
    judged = scene.knock(scene.net.alice, asked, key("secret", "alice"), user="alice", **more)
    assert (judged["verdict"], judged["leads_to"]) == ("granted", f"here:{real}")
    assert scene.connects(scene.net.alice, 45678) is not None
    asked = f"{office},tcp/{real}"
    judged = scene.knock(scene.net.alice, asked, key("secret", "alice"), user="alice", **more)
    assert judged["reason"] == "port-not-secret"
    empty(scene)
    asked = f"{office},tcp/45678"
    judged = scene.knock(scene.net.bob, asked, key("secret", "bob"), user="bob", **more)
    assert (judged["reason"], judged["detail"]) == ("port-used-lately", "bob: tcp/45678")


@pytest.mark.requirement("2.23", partial=True)
def test_while_an_address_is_held_others_there_are_refused_by_name(scene: Shared) -> None:
    assert knock(scene, scene.net.alice, "refuse", "alice")["verdict"] == "granted"
    judged = knock(scene, scene.net.bob, "refuse", "bob")
    assert judged["reason"] == "address-held"
    assert judged["detail"].startswith(f"bob: {scene.net.office.four} is held by alice (grant ")
    assert knock(scene, scene.net.bob, "counted", "bob")["reason"] == "address-held"
    assert knock(scene, scene.net.alice, "refuse", "alice")["verdict"] == "granted"
    empty(scene)
    assert knock(scene, scene.net.bob, "refuse", "bob")["verdict"] == "granted"


def test_who_waits_for_an_address_is_let_in_when_it_is_free_first_come_first_served(
    scene: Shared,
) -> None:
    office, port = scene.net.office.four, PORTS["queue"]
    assert knock(scene, scene.net.alice, "queue", "alice")["verdict"] == "granted"
    before = len(scene.server.judged)
    for who, person in ((scene.net.bob, "bob"), (scene.net.mallory, "carol")):
        send(scene, who, "queue", person, f"{office},tcp/{port}")
        scene.server.wait_for(f"{person} waits for {office}, which alice holds")
    assert len(scene.server.judged) == before
    asking.change(control(scene), "revoke", all=True)
    judged = scene.server.wait_for_judgements(before + 1)[before]
    assert (judged["verdict"], judged["user"]) == ("granted", "bob")
    assert [each["user"] for each in grants(scene)] == ["bob"]
    asking.change(control(scene), "revoke", all=True)
    judged = scene.server.wait_for_judgements(before + 2)[before + 1]
    assert (judged["verdict"], judged["user"]) == ("granted", "carol")


def test_it_is_told_who_was_let_in_beside_who_holds_an_address(scene: Shared) -> None:
    knock(scene, scene.net.alice, "tell", "alice")
    assert knock(scene, scene.net.bob, "tell", "bob")["verdict"] == "granted"
    office = scene.net.office.four
    scene.server.wait_for(f"bob was let in at {office}, which alice holds")


@pytest.mark.requirement("2.23", partial=True)
def test_so_many_share_an_address_and_have_so_many_grants_and_it_is_told_who(
    scene: Shared,
) -> None:
    office, port = scene.net.office.four, PORTS["quota"]
    assert knock(scene, scene.net.alice, "quota", "alice")["verdict"] == "granted"
    judged = knock(scene, scene.net.bob, "quota", "bob")
    assert judged["reason"] == "too-many-identities"
    assert judged["detail"] == f"bob: {office} is shared by 1 already"
    assert knock(scene, scene.net.alice, "quota", "alice", port + 100)["verdict"] == "granted"
    both = f"{office},tcp/{port},tcp/{port + 100}"
    judged = scene.knock(scene.net.alice, both, key("quota", "alice"), user="alice")
    assert judged["detail"] == f"alice: there are 2 grants for {office}"
    knock(scene, scene.net.bob, "tell", "bob")
    [people] = {tuple(sorted(each["people"])) for each in grants(scene)}
    assert {"alice", "bob"} <= set(people)
    scene.server.wait_for(f"people share {office}: ")
    assert f" people share {office}: " in scene.server.tool("grants").stdout


def _port(judged: dict[str, Any]) -> int:
    return int(judged["services"][0].partition("/")[2])


def _acknowledged(made: socket.socket) -> bool:
    """Whether everything that was sent has arrived: nothing is left to be sent again."""
    return bool(until(lambda: _unacknowledged(made) == 0) is True)


def _unacknowledged(made: socket.socket) -> int:
    """Octets: SIOCOUTQ."""
    return int.from_bytes(fcntl.ioctl(made, 0x5411, bytes(4)), sys.byteorder)


def test_connect_finds_the_secret_port_of_its_packet_and_fwknop_says_it(
    scene: Shared, tmp_path: Path
) -> None:
    real, sealed_with = PORTS["secret"], key("secret", "alice")
    assert sealed_with.mac_key is not None
    more = {"SECRET_PORTS": "40000-59999", "ACCESS": f"tcp/{real}"}
    keys = {"KEY_BASE64": base64(sealed_with.key), "HMAC_KEY_BASE64": base64(sealed_with.mac_key)}
    rc = tmp_path / ".fwknoprc"
    rc.touch(mode=0o600)
    rc.write_text(section("home", scene.net.server.four, **more, **keys), "utf-8")
    run = partial(scene.program, scene.net.alice, home=tmp_path)
    asked = ("connect", "home", str(real), "--check", "-v", "--timeout", "60")
    made = run("watchword", *asked)
    assert made.returncode == 0, made.stderr
    said = run("fwknop", "-n", "home").stdout
    [row] = [each for each in grants(scene) if f"tcp/{_of(said)}" in each["services"]]
    assert f"[+] Secret port '{_of(said)}' on: 'tcp/{_of(said)}' will grant access to: " in said
    assert row["leads_to"] == f"here:{real}"
    assert scene.connects(scene.net.alice, _of(said)) is not None


def _of(said: str) -> int:
    return int(said.partition("Secret port '")[2].partition("'")[0])


def test_a_neighbour_who_tries_all_of_them_finds_the_secret_port(scene: Shared) -> None:
    secret = _port(knock(scene, scene.net.alice, "secret", "alice"))
    scanner, server = str(Path(__file__).with_name("scanning.py")), scene.net.server.four
    words = (sys.executable, scanner, server, "40000", "59999")
    assert scene.net.mallory.host.run(*words).stdout == f"{secret}\n"


def test_a_daemon_that_is_killed_counts_on_and_a_new_one_gives_no_connection_twice(
    scene: Shared,
) -> None:
    """The last one of this file: the daemon is another one after it."""
    port = PORTS["counted"]
    knock(scene, scene.net.alice, "counted", "alice")
    knock(scene, scene.net.bob, "counted", "bob")
    scene.server.kill()
    assert scene.connects(scene.net.alice, port) is not None
    assert scene.connects(scene.net.bob, port) is not None
    assert scene.is_shut_for(scene.net.mallory, port, seconds=_MOMENT)
    scene.server.start()
    assert [each["connections_left"] for each in grants(scene)] == [0, 0]
    assert scene.is_shut_for(scene.net.mallory, port, seconds=_MOMENT)
