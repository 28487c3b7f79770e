"""Whatever arrives at the port: the daemon lives, stays small, says little and opens nothing."""

from __future__ import annotations

import random
import signal
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from tests.daemon import Server, base64, stanza, until
from tests.sealing import sealed
from tests.values import KEY, credential
from tests.vitals import Vitals, all_tried, assert_unmoved, openings, status, volley
from watchword.lab.hosts import Lab
from watchword.lab.sockets import send_datagram
from watchword.lab.trio import Trio, trio
from watchword.wire.spa.base64text import ALPHABET

pytestmark = pytest.mark.system
LONGEST_DATAGRAM = 65_507
"""Bytes: 65,535 less the headers of IPv4 and UDP."""
ALL_BYTES = range(256)


@pytest.fixture(scope="module")
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


@pytest.fixture(scope="module", params=["with an HMAC", "without"])
def hardy(
    request: pytest.FixtureRequest, scene: Trio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """For stanzas that authenticate packets and for some that only decrypt them.

    One for all the tests: what one of them does to it is there in those that follow.
    """
    server = Server(scene.server.host, tmp_path_factory.mktemp("hardy"))
    if request.param == "without":
        server.access = stanza(HMAC_KEY_BASE64="")
    yield server.start()
    assert server.stop() == 0


@pytest.fixture
def server(hardy: Server) -> Server:
    hardy.turn_page()
    return hardy


def valid(server: Server, text: str = "0.0.0.0,tcp/22") -> bytes:
    mac = {} if "HMAC_KEY" in server.access else {"sealed_with": credential(mac_key=None)}
    return sealed(text, sent_at=int(time.time()), **mac)


def ask(scene: Trio, payload: bytes) -> None:
    send_datagram(scene.caller.host, payload, scene.server.four, 62201)


@contextmanager
def unimpressed(scene: Trio, server: Server, kinds: int = 4) -> Iterator[None]:
    """Around bad input. ``kinds`` of refusals may each take ten lines, and one each second."""
    volley(scene.server.host, (b"8" * size for size in range(100, 1600)), "127.0.0.1")
    all_tried(server)
    before, lines, began = Vitals.of(*server.pids), server.log.count("\n"), time.monotonic()
    yield
    all_tried(server)
    assert openings(scene.server.host) == {}
    assert_unmoved(server, before)
    ask(scene, valid(server))
    until(lambda: openings(scene.server.host))
    until(lambda: server.judged[-1]["verdict"] == "granted")
    seconds = time.monotonic() - began
    assert server.log.count("\n") - lines < kinds * (10 * 4 + seconds + 2)


def test_datagrams_of_every_length(scene: Trio, server: Server) -> None:
    longest = b"8" * LONGEST_DATAGRAM
    payloads = (longest[:size] for size in range(LONGEST_DATAGRAM + 1))
    with unimpressed(scene, server):
        sent = volley(scene.server.host, payloads, "127.0.0.1")
        assert sent == LONGEST_DATAGRAM + 1


def changed(payload: bytes) -> Iterator[bytes]:
    """Each position with three other bytes; the outer ones and the joints with all others."""
    thorough = {0, 1, 20, len(payload) - 44, len(payload) - 43, len(payload) - 2, len(payload) - 1}
    for at, byte in enumerate(payload):
        others = ALL_BYTES if at in thorough else (ALPHABET[at % 64], byte ^ 1, byte ^ 0x80)
        for other in others:
            if other != byte:
                yield payload[:at] + bytes([other]) + payload[at + 1 :]


def truncated(payload: bytes) -> Iterator[bytes]:
    for size in range(len(payload)):
        yield payload[:size]
        yield payload[len(payload) - size :]


def with_a_tail(payload: bytes) -> Iterator[bytes]:
    for tail in (b"A", b"=", b"\0", b"\n", b" ", b"==", b"AAAA", b"\r\n\r\n", payload):
        yield payload + tail
        yield tail + payload
    for size in range(1, LONGEST_DATAGRAM - len(payload), 997):
        yield payload + b"A" * size


@pytest.mark.parametrize("spoil", [changed, truncated, with_a_tail])
def test_a_valid_packet_with_anything_changed_opens_nothing_and_does_not_spend_it(
    scene: Trio, server: Server, spoil: Callable[[bytes], Iterable[bytes]]
) -> None:
    packet = valid(server, f"{scene.stranger.four},tcp/22")
    with unimpressed(scene, server):
        volley(scene.server.host, spoil(packet), "127.0.0.1")
        all_tried(server)
        assert not [each for each in server.judged if each["verdict"] == "granted"]
    server.turn_page()
    ask(scene, packet)
    assert server.wait_for_judgements(1)[0]["verdict"] == "granted"


def garbage(number: int, seed: int) -> Iterator[bytes]:
    """Random bytes, of any length that a frame can hold; most begin as a packet does."""
    source = random.Random(seed)
    for _ in range(number):
        payload = source.randbytes(source.randint(0, 1472))
        yield payload if source.random() < 0.2 else b"8" + payload


def random_text(number: int, seed: int) -> Iterator[bytes]:
    """Everything right that can be seen from outside: alphabet, length, first character."""
    source = random.Random(seed)
    for _ in range(number):
        text = b64encode(source.randbytes(1125))[: source.randint(139, 1499)]
        yield source.choice((b"8", b"9", b"+", b"/")) + text


@pytest.mark.parametrize("made", [garbage, random_text])
def test_random_datagrams(
    scene: Trio, server: Server, made: Callable[[int, int], Iterator[bytes]]
) -> None:
    with unimpressed(scene, server):
        volley(scene.server.host, made(12_500, 62201), "127.0.0.1")


def test_datagrams_over_ipv6_and_from_a_network(scene: Trio, server: Server) -> None:
    packet = valid(server, f"{scene.stranger.four},tcp/22")
    with unimpressed(scene, server):
        for host, address in (
            (scene.server.host, "::1"),
            (scene.stranger.host, scene.server.six),
            (scene.stranger.host, scene.server.four),
        ):
            volley(host, truncated(packet), address)
            volley(host, (packet + b"A" * size for size in range(1, 9000, 100)), address)


def test_an_overheard_packet_sent_again_and_again_is_refused_and_writes_no_log(
    scene: Trio, server: Server
) -> None:
    packet = valid(server, f"{scene.caller.four},tcp/22")
    before = status(server)["packets"].get("granted", 0)
    ask(scene, packet)
    server.wait_for_judgements(1)
    lines = server.log.count("\n")
    volley(scene.stranger.host, [packet] * 5000, scene.server.four)
    assert all_tried(server)["packets"]["granted"] == before + 1
    assert server.log.count("\n") - lines < 40
    assert len(openings(scene.server.host)) == 1


def test_a_store_that_fails_is_told_and_no_stranger_can_have_it_told_without_end(
    scene: Trio, server: Server
) -> None:
    packet = valid(server, f"{scene.caller.four},tcp/22")
    [database] = (server.folder / "state").glob("*.sqlite3")
    away = database.rename(database.with_suffix(".away"))
    try:
        volley(scene.stranger.host, [packet] * 400, scene.server.four, run=1)
        server.wait_for("replay store: ")
        all_tried(server)
    finally:
        away.rename(database)
    assert openings(scene.server.host) == {}
    assert server.log.count("\n") < 60
    ask(scene, valid(server))
    until(lambda: openings(scene.server.host))


@pytest.mark.parametrize("kind", ["expired", "not for the source"])
def test_a_stanza_that_is_out_of_the_question_is_told_with_restraint_too(
    scene: Trio, server: Server, kind: str
) -> None:
    """The last of the file: nobody puts its stanza back."""
    more = {"ACCESS_EXPIRE": "01/01/2020"} if kind == "expired" else {"SOURCE": "10.9.9.9"}
    mac = {} if "HMAC_KEY" in server.access else {"HMAC_KEY_BASE64": ""}
    server.access = stanza(**more, **mac)
    server.write()
    server.send(signal.SIGHUP)
    server.wait_for("Re-starting fwknopd")
    lines = server.log.count("\n")
    volley(scene.stranger.host, [valid(server)] * 500, scene.server.four)
    volley(scene.stranger.host, random_text(1500, 5), scene.server.four)
    all_tried(server)
    assert base64(KEY) not in server.log
    # Ten of each kind one by one, three lines each: out of the question, wrong HMAC, OpenPGP.
    assert server.log.count("\n") - lines < 100
    assert openings(scene.server.host) == {}
