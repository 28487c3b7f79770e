"""Packets inside HTTP requests, and over TCP streams.

Invariants: what is found in a request is the text between ``GET /`` and the
next white space, in the standard alphabet, and only where the agent is
fwknop's; a stream comes to the same however it was cut, holds no more than one
request, and what it ends as is its beginning.

An input is a byte of settings and a request, or three bytes that choose cuts
and a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from random import Random

from fuzz import keys
from fuzz.target import Target
from watchword.wire.carriers.http import LONGEST, Carried, extract, request
from watchword.wire.carriers.stream import Collector, Progress
from watchword.wire.spa.envelope import flaw
from watchword.wire.spa.lengths import SHORTEST

_WHITE = re.compile(rb"[ \t\n\r\f\v]")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_AGENT = re.compile(rb"\nUser-Agent: Fwknop")
_CLAIM = re.compile(rb"\nX-Forwarded-For[ \t]*:", re.IGNORECASE)
_LONGEST_CASE = 4400


def check_request(octets: bytes) -> str:
    any_agent, text = bool(octets[:1] and octets[0] & 1), octets[1:]
    found = extract(text, any_agent=any_agent)
    if found is None:
        return "none"
    assert text[:5].lower() == b"get /"
    assert len(text) <= LONGEST
    path = _WHITE.split(text[5:], maxsplit=1)
    assert len(path) == 2
    assert found.payload == path[0].replace(b"-", b"+").replace(b"_", b"/")
    head = _BLANK_LINE.split(text, maxsplit=1)[0]
    assert any_agent or _AGENT.search(head)
    _check_claim(found, head)
    if flaw(found.payload) is None:
        assert extract(request(found.payload, "a")) == Carried(found.payload)
        return "packet" if found.forwarded_for is None else "packet for somebody"
    return "request"


def _check_claim(found: Carried, head: bytes) -> None:
    assert len(found.forwarded_text) <= 64
    assert found.forwarded_text.isascii()
    assert found.forwarded_text.isprintable()
    if found.forwarded_for is None:
        return
    assert _CLAIM.search(head)
    assert not found.forwarded_for.is_unspecified
    said = ip_address(found.forwarded_text)
    assert found.forwarded_for in (said, getattr(said, "ipv4_mapped", None))


def check_stream(octets: bytes) -> str:
    choice, stream = octets[:3].ljust(3, b"\0"), octets[3:]
    requests = bool(choice[0] & 1)
    whole, pieces = (Collector(requests=requests) for _ in range(2))
    progress = whole.feed(stream)
    told = Progress.MORE
    for piece in cut(stream, choice):
        before, told = told, pieces.feed(piece)
        assert before in (Progress.MORE, told), "what was settled has changed"
    assert told is progress
    content = whole.end()
    assert pieces.end() == content
    if content is None:
        return f"nothing, {progress.value}"
    assert stream.startswith(content)
    assert SHORTEST <= len(content) <= LONGEST
    assert progress is Progress.WHOLE or content == stream
    return f"content, {progress.value}"


def cut(stream: bytes, choice: bytes) -> Iterator[bytes]:
    """The stream in pieces of 1 to 256 bytes, the lengths following from the choice."""
    source = Random(choice)
    longest = source.choice((1, 7, 256))
    at = 0
    while at < len(stream):
        size = source.randint(1, longest)
        yield stream[at : at + size]
        at += size
    yield b""


def seed_requests() -> Iterator[bytes]:
    for number, packet in enumerate(keys.golden_packets()):
        payload = packet[2:]
        if number % 40 or flaw(payload) is not None:
            continue
        plain = request(payload, "server.example")
        yield b"\0" + plain
        yield b"\1" + request(payload, "2001:db8::1", proxy="proxy.example")
        yield b"\1" + plain.replace(b"Fwknop", b"Mozilla").replace(b"+", b"-")
        for claim in (b"192.0.2.7", b"2001:db8::7", b"192.0.2.7, 10.0.0.1", b"0.0.0.0", b"%0", b""):
            line = b"\r\nX-Forwarded-For: " + claim + b"\r\n"
            yield b"\0" + plain.replace(b"\r\n", line, 1)


def seed_streams() -> Iterator[bytes]:
    for size in (LONGEST - 12, LONGEST - 8, LONGEST, LONGEST + 100):
        yield b"\1\0\0GET /" + b"A" * size + b"\r\n\r\n"
    for number, octets in enumerate(seed_requests()):
        yield bytes([1, number % 256, 0]) + octets[1:]
        yield bytes([number % 2, number % 256, 1]) + _WHITE.split(octets[6:])[0]


_WORDS = (
    b"GET /", b"get /", b"POST /", b"HTTP/1.0", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"\n\n", b"\n ",
    b"User-Agent: Fwknop", b"X-Forwarded-For: ", b"192.0.2.7", b"::ffff:192.0.2.7", b"fe80::1%0",
    b"-", b"_", b"+", b"/",
)  # fmt: skip

REQUESTS = Target(
    "requests",
    "any request is none, or holds exactly what stands between GET / and the next white space",
    check_request,
    seed_requests,
    words=_WORDS,
    longest=_LONGEST_CASE,
)
STREAMS = Target(
    "streams",
    "any stream comes to the same however it is cut, and what it ends as is its beginning",
    check_stream,
    seed_streams,
    words=_WORDS,
    longest=_LONGEST_CASE,
)
