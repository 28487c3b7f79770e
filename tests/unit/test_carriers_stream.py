"""Streams that hold a packet, a request, or nothing of the kind."""

from __future__ import annotations

import pytest

from tests.sealing import sealed
from watchword.wire.carriers.http import LONGEST, extract, request
from watchword.wire.carriers.stream import Collector, Progress

MORE, WHOLE, HOPELESS = Progress.MORE, Progress.WHOLE, Progress.HOPELESS
PACKET = sealed()
REQUEST = request(PACKET, "198.51.100.1")


def collected(octets: bytes, *, requests: bool = True) -> tuple[Progress, bytes | None]:
    collector = Collector(requests=requests)
    return collector.feed(octets), collector.end()


@pytest.mark.parametrize("requests", [False, True])
def test_a_plain_packet_ends_with_its_stream(requests: bool) -> None:
    assert collected(PACKET, requests=requests) == (MORE, PACKET)


def test_a_request_is_whole_at_its_blank_line() -> None:
    collector = Collector(requests=True)
    assert collector.feed(REQUEST[:-1]) is MORE
    assert collector.end() is None
    assert collector.feed(REQUEST[-1:]) is WHOLE
    found = extract(collector.end() or b"")
    assert found is not None
    assert found.payload == PACKET


@pytest.mark.parametrize("blank", [b"\r\n\r\n", b"\n\n", b"\n\r\n"])
def test_what_follows_a_request_is_not_part_of_it(blank: bytes) -> None:
    asked = b"GET /" + PACKET + b" HTTP/1.0" + blank
    assert collected(asked + b"GET /again HTTP/1.0\r\n\r\n") == (WHOLE, asked)


def test_a_request_whose_end_never_came_is_none() -> None:
    assert collected(REQUEST[:-4]) == (MORE, None)


def test_where_requests_are_not_looked_for_they_are_hopeless() -> None:
    assert collected(REQUEST, requests=False) == (HOPELESS, None)
    assert collected(b"GET ", requests=False) == (HOPELESS, None)


@pytest.mark.parametrize(
    ("octets", "progress"),
    [
        (b"A" * 1500, MORE),
        (b"A" * 1501, HOPELESS),
        (b"GET /" + b"A" * (LONGEST - 6), MORE),
        (b"GET /" + b"A" * (LONGEST - 5), HOPELESS),
        (b"GET /" + b"A" * (LONGEST - 9) + b"\r\n\r\n", WHOLE),
        (b"GET /" + b"A" * (LONGEST - 8) + b"\r\n\r\n", HOPELESS),
        (b"A" * 10_000_000, HOPELESS),
        (b"GET /" + b"A" * 10_000_000, HOPELESS),
    ],
)
def test_more_than_any_packet_or_request_is_given_up(octets: bytes, progress: Progress) -> None:
    state, content = collected(octets)
    assert state is progress
    unfinished = progress is MORE and octets.startswith(b"GET /")
    assert (content is None) == (progress is HOPELESS or unfinished)


@pytest.mark.parametrize(
    "octets",
    [
        b"\r", b"\x16\x03\x01", b"SSH-2.0-x\r\n", b"POST /x HTTP/1.0", b"GETA ",
        PACKET + b"\n", PACKET + b"=",
    ],
)  # fmt: skip
def test_what_no_packet_has_is_given_up_at_once(octets: bytes) -> None:
    assert collected(octets) == (HOPELESS, None)


@pytest.mark.parametrize("octets", [b"", b"g", b"GET", b"get ", b"GETA", PACKET[:139]])
def test_too_little_may_become_a_packet_and_is_none_yet(octets: bytes) -> None:
    assert collected(octets) == (MORE, None)


def test_a_stream_that_was_given_up_stays_so() -> None:
    collector = Collector(requests=True)
    assert collector.feed(b"!") is HOPELESS
    assert collector.feed(PACKET) is HOPELESS
    assert collector.end() is None


def test_a_receiver_that_waited_long_enough_may_ask_before_the_sender_closes() -> None:
    collector = Collector(requests=True)
    collector.feed(PACKET[:150])
    assert collector.end() == PACKET[:150]
    collector.feed(PACKET[150:])
    assert collector.end() == PACKET


def test_no_more_is_held_than_one_request() -> None:
    collector = Collector(requests=True)
    collector.feed(b"GET /")
    for _ in range(1000):
        collector.feed(b"A" * (LONGEST - 100))
        assert len(collector._held) <= LONGEST


@pytest.mark.parametrize("body", [b"", b"5\r\nhello\r\n0\r\n\r\n"])
def test_a_request_in_single_bytes_with_or_without_chunks_behind_it_is_read(body: bytes) -> None:
    head = REQUEST
    if body:
        head = head.replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1)
    collector = Collector(requests=True)
    seen = [collector.feed(head[at : at + 1]) for at in range(len(head))]
    assert seen == [MORE] * (len(head) - 1) + [WHOLE]
    assert collector.feed(body) is WHOLE
    found = extract(collector.end() or b"")
    assert found is not None
    assert found.payload == PACKET


def test_what_a_proxy_is_asked_is_given_up_as_soon_as_it_shows() -> None:
    collector = Collector(requests=True)
    assert collector.feed(b"GET ") is MORE
    assert collector.feed(b"http://198.51.100.1/") is HOPELESS
