"""Datagrams from real sockets on loopback: what is kept, what is dropped, and where it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.sealing import sealed
from watchword.edges.capture import bpf
from watchword.edges.capture.bpf import Instruction, datagram_filter
from watchword.edges.capture.requests import Requests
from watchword.edges.capture.udp import UdpSource
from watchword.errors import HostError
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.settings import HttpRequests
from watchword.ports import Interest
from watchword.wire.carriers import http
from watchword.wire.frames import ICMP, TCP, UDP
from watchword.wire.spa.base64text import ALPHABET
from watchword.wire.spa.envelope import FIRST_CHARACTERS, flaw
from watchword.wire.spa.lengths import LONGEST, SHORTEST

INTEREST = Interest(SHORTEST, LONGEST, FIRST_CHARACTERS, base64=True)


def passes(program: Sequence[Instruction], payload: bytes) -> bool:
    """Run a filter as the kernel does, on a datagram with its header of 8 bytes."""
    datagram, at, register = bytes(8) + payload, 0, 0
    while True:
        code, true, false, operand = program[at]
        if code == bpf._RETURN:
            return operand != 0
        if code == bpf._LOAD_LENGTH:
            register = len(datagram)
        elif code == bpf._LOAD_BYTE:
            register = datagram[operand]
        else:
            answer = {
                bpf._JUMP_EQUAL: register == operand,
                bpf._JUMP_GREATER: register > operand,
                bpf._JUMP_GREATER_EQUAL: register >= operand,
            }[code]
            at += true if answer else false
        at += 1


def free_port() -> int:
    """One that no connection of another test gets by chance: those begin at 32768."""
    while True:
        port = random.randint(10_000, 32_000)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            contextlib.suppress(OSError),
        ):
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", port))
            return port


async def received(
    payloads: Sequence[bytes],
    expected: int,
    *,
    narrow: bool = False,
    host: str = "127.0.0.1",
    requests: HttpRequests | None = None,
) -> tuple[list[Packet], UdpSource]:
    """Send datagrams to a source of our own and return what it yields."""
    source = UdpSource(free_port(), Requests(requests))
    if narrow:
        source.narrow(replace(INTEREST, requests=requests is not None))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found: list[Packet] = []

    async def collect() -> None:
        async for batch in source.batches():
            found.extend(batch)
            if len(found) >= expected:
                return

    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for payload in payloads:
            sender.sendto(payload, (host, int(source.name.partition("/")[2])))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(collect(), 0.3 if not expected else 60)
    await source.aclose()
    return found, source


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_packet_knows_where_it_came_from_and_was_sent_to(host: str) -> None:
    payload = sealed()
    [packet], _ = asyncio.run(received([payload], 1, host=host))
    assert packet.payload == payload
    assert (packet.peer, packet.local, packet.protocol) == (host, host, 17)


def test_what_cannot_be_a_packet_is_dropped_and_counted_by_reason() -> None:
    good = sealed()
    bad = [b"", b"x" * 139, b"x" * 1501, b"!" * 200, b"U2FsdGVkX1" + b"A" * 200]
    found, source = asyncio.run(received([*bad, good], 1))
    assert [each.payload for each in found] == [good]
    assert source.flaws == {Reason.LENGTH: 3, Reason.ALPHABET: 1, Reason.PREFIX: 1}


def test_the_filter_in_the_kernel_drops_the_same_before_anybody_wakes() -> None:
    good = sealed()
    bad = [b"", b"x" * 200, b"8" * 139, b"8" * 1501, b"8" + b"!" * 200]
    found, source = asyncio.run(received([*bad, good], 1, narrow=True))
    assert [each.payload for each in found] == [good]
    assert not source.flaws


def test_the_filter_never_drops_what_looks_like_a_packet() -> None:
    program = datagram_filter(INTEREST)
    for size in (SHORTEST, SHORTEST + 1, 399, 400, LONGEST - 1, LONGEST):
        for first in FIRST_CHARACTERS:
            for octet in ALPHABET:
                payload = bytes([first]) + bytes([octet]) * (size - 1)
                assert flaw(payload) is None or payload.startswith(b"U2FsdGVkX1")
                assert passes(program, payload)


def test_the_filter_looks_at_length_first_byte_and_a_few_more() -> None:
    program = datagram_filter(INTEREST)
    good = sealed()
    for size in (0, 1, SHORTEST - 1, LONGEST + 1, 60_000):
        assert not passes(program, (good * 500)[:size])
    for octet in range(256):
        is_first, is_letter = octet in FIRST_CHARACTERS, octet in ALPHABET
        assert passes(program, bytes([octet]) + good[1:]) == is_first
        for at in (1, bpf.LOOKED_AT):
            assert passes(program, good[:at] + bytes([octet]) + good[at + 1 :]) == is_letter
        beyond = bpf.LOOKED_AT + 1
        assert passes(program, good[:beyond] + bytes([octet]) + good[beyond + 1 :])


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("wanted", [None, HttpRequests()], ids=["N", "Y"])
def test_a_request_carries_a_packet_if_that_is_asked_for(
    wanted: HttpRequests | None, narrow: bool
) -> None:
    payload, other = sealed(), sealed()
    asked = http.request(payload, "203.0.113.1") + b"x" * 1300  # longer than any packet
    sent = [asked, b"GET /index.html HTTP/1.0\r\n\r\n" + b"x" * 200, other]
    expected = [other] if wanted is None else [payload, other]
    found, _ = asyncio.run(received(sent, len(expected), narrow=narrow, requests=wanted))
    assert [each.payload for each in found] == expected


def test_who_has_no_connection_speaks_for_nobody_whatever_address_he_bears() -> None:
    """Anybody can write a proxy's address into a datagram, or into a segment that is sniffed."""
    wanted = HttpRequests(proxies=(ip_network("127.0.0.0/8"), ip_network("::1")))
    whole = http.request(sealed(), "203.0.113.1")
    asked = whole.removesuffix(b"\r\n") + b"X-Forwarded-For: 192.0.2.7\r\n\r\n"
    [found], _ = asyncio.run(received([asked], 1, requests=wanted))
    assert (found.forwarded, found.asker) == ("", found.source)
    sniffed = found._replace(payload=asked)
    sift = Requests(wanted).sift
    askers = [sift(sniffed._replace(protocol=each), Counter()) for each in (TCP, UDP, ICMP)]
    assert [each and each.forwarded for each in askers] == ["", "", ""]
    by_connection = sift(sniffed._replace(protocol=TCP, connected=True), Counter())
    assert by_connection is not None
    assert by_connection.forwarded == "192.0.2.7"
    # where connections are taken, what is sniffed of one must not come before it
    beside = Requests(replace(wanted, connections=True)).sift
    assert beside(sniffed._replace(protocol=TCP), Counter()) is None
    assert beside(sniffed._replace(protocol=TCP, connected=True), Counter()) == by_connection


def test_an_interest_in_any_first_byte_looks_at_length_only() -> None:
    program = datagram_filter(Interest(10, 20, b""))
    assert [passes(program, b"\0" * size) for size in (9, 10, 20, 21)] == [False, True, True, False]


def test_a_port_that_is_taken_is_told_with_a_hint() -> None:
    async def scene() -> None:
        first = UdpSource(free_port())
        try:
            with pytest.raises(HostError, match="cannot listen on UDP port") as caught:
                UdpSource(int(first.name.partition("/")[2]))
            assert "ss -lunp" in caught.value.hint
        finally:
            await first.aclose()

    asyncio.run(scene())
