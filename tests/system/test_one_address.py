"""Who shares an address: what one neighbour's knock is worth to the other, mode by mode.

Alice and Bob work behind one translating host, and Mallory is a stranger there; Alice and Bob have
keys, and the server sees one address. A stanza of each for every mode, and one daemon.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.daemon import PROGRAMS, stanza, until
from tests.sealing import message
from tests.system.building_scene import Shared, shared_scene
from watchword.lab.sockets import connect, send_datagram
from watchword.lab.trio import Station
from watchword.model.crypto import Credential, Secret
from watchword.service import asking
from watchword.wire.proof import Proof
from watchword.wire.spa.composing import compose
from watchword.wire.spa.message import MessageType
from watchword.wire.spa.sealing import seal

pytestmark = pytest.mark.system
_OWN = 40123
MODES = {
    "plain": "",
    "counted": "COUNT_CONNECTIONS Y",
    "secret": "SECRET_PORTS 50000-59999",
    "bound": "BIND_SOURCE_PORT required",
    "lease": "EXCLUSIVE_LEASE refuse",
    "quota": "MAX_IDENTITIES_PER_ADDRESS 1",
    "proof": "PROVE Y",
}
PORTS = {mode: 3001 + at for at, mode in enumerate(MODES)}
BEHIND = 4001


def key(mode: str, person: str) -> Credential:
    return Credential(
        Secret(f"the key of {person} for {mode}".ljust(32, "!").encode()),
        mac_key=Secret(f"the hmac key of {person} for {mode}".ljust(64, "!").encode()),
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared_scene(tmp_path_factory.mktemp("one")) as made:
        made.server.access = ""
        for mode, lines in MODES.items():
            for person in ("alice", "bob"):
                keys = key(mode, person)
                assert keys.mac_key is not None
                ports = f"tcp/{PORTS[mode]}"
                made.server.access += stanza(keys.key, keys.mac_key, OPEN_PORTS=ports)
                made.server.access += f"{lines}\n\n"
        made.server.start()
        for mode, port in PORTS.items():
            if mode != "proof":
                made.listen(port)
        behind = made.listen(BEHIND, "127.0.0.1")
        behind.setblocking(False)
        said = made.server.folder / "front"
        with said.open("wb") as log:
            front = made.net.server.host.start(
                *(str(PROGRAMS / "watchword"), "front", str(PORTS["proof"])),
                *(f"127.0.0.1:{BEHIND}", "--socket", str(made.server.folder / "run" / asking.NAME)),
                stderr=log,
            )
        until(lambda: "ready on port" in said.read_text())
        yield made
        front.terminate()
        made.server.stop()


def knock(
    scene: Shared, who: Station, mode: str, person: str, words: str = ""
) -> tuple[dict[str, Any], Proof]:
    """What the server made of a packet, and what its sender can say of it afterwards."""
    service = f"tcp/{PORTS[mode]}"
    text = f"0.0.0.0,admit {service} {words}" if words else f"0.0.0.0,{service}"
    kind = MessageType.COMMAND if words else MessageType.ACCESS
    said = message(text, user=person, type=kind, sent_at=int(time.time()))
    keys, before = key(mode, person), len(scene.server.judged)
    payload = seal(said, keys, salt=os.urandom(8))
    send_datagram(who.host, payload, scene.net.server.four, 62201)
    assert keys.mac_key is not None
    proof = Proof.of_packet(keys.mac_key, compose(said))
    return scene.server.wait_for_judgements(before + 1)[before], proof


def get_in(scene: Shared, wanted: Sequence[str], *tries: tuple[Station, int, int]) -> bool:
    """Whether just those get an answer, all trying at once: host, port, port of his own."""

    def one(each: tuple[Station, int, int]) -> bool:
        who, port, own = each
        seconds = 30 if who.host.name in wanted else 0.4
        made = connect(who.host, scene.net.server.four, port, seconds, ("", own))
        if made is not None:
            scene._open.enter_context(made)
        return made is not None

    with ThreadPoolExecutor(len(tries)) as crowd:
        came = list(crowd.map(one, tries))
    return [who.host.name for (who, _, _), yes in zip(tries, came, strict=True) if yes] == list(
        wanted
    )


@pytest.fixture(autouse=True)
def nobody_in(scene: Shared) -> Iterator[None]:
    yield
    control = scene.server.folder / "run" / asking.NAME
    until(lambda: not asking.change(control, "revoke", all=True)["revoked"])


def plain(scene: Shared) -> None:
    """The whole building is in."""
    net, port = scene.net, PORTS["plain"]
    assert knock(scene, net.alice, "plain", "alice")[0]["verdict"] == "granted"
    assert get_in(scene, ["bob", "mallory"], (net.bob, port, 0), (net.mallory, port, 0))


def counted(scene: Shared) -> None:
    """Whoever comes after her is not in."""
    net, port = scene.net, PORTS["counted"]
    assert knock(scene, net.alice, "counted", "alice")[0]["connections"] == 1
    assert get_in(scene, ["alice"], (net.alice, port, 0))
    assert get_in(scene, [], (net.bob, port, 0), (net.mallory, port, 0))


def secret(scene: Shared) -> None:
    """Who does not know the port is not in."""
    net, port = scene.net, PORTS["secret"]
    told, _ = knock(scene, net.alice, "secret", "alice")
    hers = int(told["services"][0].removeprefix("tcp/"))
    guesses = [(who, each, 0) for who in (net.bob, net.mallory) for each in (port, hers - 1)]
    assert get_in(scene, ["alice"], (net.alice, hers, 0), *guesses)


def bound(scene: Shared) -> None:
    """By no port but hers is anybody in."""
    net, port = scene.net, PORTS["bound"]
    told, _ = knock(scene, net.alice, "bound", "alice", f"port {_OWN}")
    assert told["from_port"] == _OWN
    assert get_in(scene, ["alice"], (net.alice, port, _OWN))
    assert get_in(scene, [], (net.bob, port, _OWN), (net.mallory, port, 0))


def lease(scene: Shared) -> None:
    """While she has the address, nobody else with a key gets a grant there, and it says whose."""
    net = scene.net
    assert knock(scene, net.alice, "lease", "alice")[0]["verdict"] == "granted"
    told, _ = knock(scene, net.bob, "lease", "bob")
    assert (told["reason"], told["user"]) == ("address-held", "bob")
    scene.server.wait_for(f"bob: {net.office.four} is held by alice")


def quota(scene: Shared) -> None:
    """One too many is refused, by his name."""
    net = scene.net
    assert knock(scene, net.alice, "quota", "alice")[0]["verdict"] == "granted"
    told, _ = knock(scene, net.bob, "quota", "bob")
    assert (told["reason"], told["user"]) == ("too-many-identities", "bob")
    scene.server.wait_for(f"bob: {net.office.four} is shared by 1 already")


def proof(scene: Shared) -> None:
    """Everybody finds the port, and nobody without her packet the service."""
    net, port = scene.net, PORTS["proof"]
    _, hers = knock(scene, net.alice, "proof", "alice")
    reached = {}
    for who, said in ((net.bob, bytes(48)), (net.mallory, b"x" * 48), (net.alice, hers.message)):
        made = connect(who.host, net.server.four, port, 30)
        assert made is not None
        with made, contextlib.suppress(ConnectionError):
            made.settimeout(60)
            made.sendall(said)
            reached[who.host.name] = made.recv(16) == hers.answer
    assert [name for name, yes in reached.items() if yes] == ["alice"]


@pytest.mark.requirement("2.23")
@pytest.mark.parametrize("mode", [plain, counted, secret, bound, lease, quota, proof])
def test_behind_one_address_a_neighbour_gets_just_what_the_mode_leaves_him(
    scene: Shared, mode: Callable[[Shared], None]
) -> None:
    mode(scene)


@pytest.mark.requirement("2.23", partial=True)
def test_report_and_log_name_everybody_who_shares_an_address(scene: Shared) -> None:
    net = scene.net
    for who, person in ((net.alice, "alice"), (net.bob, "bob")):
        assert knock(scene, who, "plain", person)[0]["verdict"] == "granted"
    control = scene.server.folder / "run" / asking.NAME
    told = asking.ask(control, "grants")["grants"]
    assert {each["user"] for each in told} == {"alice", "bob"}
    assert all({"alice", "bob"} <= set(each["people"]) for each in told)
    people = scene.server.tool("grants").stdout
    assert f"people share {net.office.four}: " in people
    assert "alice" in people
    assert "bob" in people
    assert f"people share {net.office.four}: " in scene.server.log
