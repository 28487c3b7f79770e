"""What relays, web servers and networks answer to our client.

Invariants: a conversation with a relay opens the way, is declined, or wants
more; it opens only for the bytes that say yes, hears none beyond those, and no
more than a bounded number whatever comes; the status of a web answer stands in
its first line, and what is shown of it steers no terminal; a message about a
lost packet counts only if it holds the address that was sent to.

An input is a byte that chooses the conversation and what the relay answers, or
what a web server answers, or an ICMP message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from fuzz.target import Target
from watchword.model.crypto import Secret
from watchword.model.relays import Login
from watchword.wire.carriers.answers import DeclinedError, status
from watchword.wire.carriers.relays import LONGEST_HEAD, Conversation, connect, socks4, socks5
from watchword.wire.carriers.unreachable import undelivered

_LOGIN = Login("alice", Secret(b"secret"))
_TALKS: tuple[Callable[[], Conversation], ...] = (
    lambda: socks4("a.example", 80),
    lambda: socks5("a.example", 80),
    lambda: socks5("2001:db8::1", 80, _LOGIN),
    lambda: connect("a.example", 443, _LOGIN),
)
_TARGETS = (ip_address("203.0.113.1"), ip_address("2001:db8::1"))
_MOST = (8, 2 + 4 + 1 + 255 + 2, 2 + 2 + 4 + 1 + 255 + 2, LONGEST_HEAD)
"""Bytes that each of them hears at the most."""
_YES = (
    re.compile(rb"\x00\x5a.{6}", re.DOTALL),
    re.compile(rb"\x05\x00\x05\x00.(?:\x01.{6}|\x04.{18}|\x03.+)", re.DOTALL),
    re.compile(rb"\x05(?:\x00|\x02.\x00)\x05\x00.(?:\x01.{6}|\x04.{18}|\x03.+)", re.DOTALL),
    re.compile(rb"HTTP/1\.[0-9] 2[0-9][0-9](?: [^\n]*)?\r*\n.*", re.DOTALL),
)


def check_relay(octets: bytes) -> str:
    choice, answers = (octets[0] if octets else 0) % len(_TALKS), octets[1:]
    outcome, heard = _hold(_TALKS[choice](), answers)
    assert heard <= _MOST[choice]
    if outcome == "open":
        assert _YES[choice].fullmatch(answers[:heard])
        assert _hold(_TALKS[choice](), answers[:heard]) == (outcome, heard)
        if heard:
            assert _hold(_TALKS[choice](), answers[: heard - 1])[0] == "wants more"
    return outcome


def _hold(talk: Conversation, answers: bytes) -> tuple[str, int]:
    """What becomes of it, and how many bytes it has heard."""
    heard = 0
    try:
        turn = next(talk)
        while True:
            assert turn.await_bytes > 0
            if heard + turn.await_bytes > len(answers):
                return "wants more", heard
            piece = answers[heard : heard + turn.await_bytes]
            heard += turn.await_bytes
            turn = talk.send(piece)
    except StopIteration:
        return "open", heard
    except DeclinedError as error:
        assert str(error).isprintable()
        return "declined", heard


def check_status(octets: bytes) -> str:
    try:
        found = status(octets)
    except DeclinedError:
        return "no status"
    line = octets.split(b"\n", 1)[0]
    assert line[:7] == b"HTTP/1."
    assert line[9:12] == str(found.code).encode("ascii")
    assert found.reason.encode("ascii") in line
    assert f"{found}".isprintable()
    return f"{found.code // 100}xx"


def check_loss(octets: bytes) -> str:
    for address in _TARGETS:
        if undelivered(octets, address):
            assert address.packed in octets
            return f"lost, IPv{address.version}"
    return "nothing"


def seed_losses() -> Iterator[bytes]:
    four, six = _TARGETS
    lost = bytes([0x45]) + bytes(15) + four.packed + bytes(8)
    for kind, code in ((3, 0), (3, 1), (3, 3), (11, 0), (8, 0)):
        yield bytes([0x45]) + bytes(19) + bytes([kind, code]) + bytes(6) + lost
        yield bytes([0x46]) + bytes(23) + bytes([kind, code]) + bytes(6) + lost
    for kind, code in ((1, 0), (1, 3), (1, 4), (3, 0), (128, 0)):
        yield bytes([kind, code]) + bytes(30) + six.packed


def seed_relays() -> Iterator[bytes]:
    bound = b"\1" + bytes(6), b"\4" + bytes(18), b"\3\5relay\0\0"
    for code in (0x5A, 0x5B, 0x5C, 0x77):
        yield b"\0\0" + bytes([code]) + bytes(6)
    for place in bound:
        yield b"\1\5\0\5\0\0" + place + b"SSH-2.0"
        yield b"\2\5\2\1\0\5\0\0" + place
    for reply in range(10):
        yield b"\1\5\0\5" + bytes([reply, 0]) + bound[0]
    yield b"\2\5\2\1\1"
    yield b"\2\5\xff"
    for head in (b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", b"HTTP/1.0 407 No\n\n", b"SSH-2.0\r\n"):
        yield b"\3" + head
    yield b"\3HTTP/1.1 200 " + b"x" * LONGEST_HEAD


def seed_statuses() -> Iterator[bytes]:
    yield from (b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.0 200\n", b"HTTP/2 200\r\n", b"<html>")
    yield b"HTTP/1.1 500 \x1b[31m red\r\nX: y"
    yield b"HTTP/1.1 302 " + b"x" * 3000


_WORDS = (
    b"HTTP/1.1 200 ", b"HTTP/1.0 ", b"407 ", b"\r\n\r\n", b"\n\n", b"\5\0", b"\5\2", b"\1\0",
    b"\0\x5a", b"\5\0\0\1", b"\5\0\0\3", b"\5\0\0\4",
)  # fmt: skip

RELAYS = Target(
    "relay-answers",
    "whatever a relay says, the way is open only if it said yes, and a bounded part was heard",
    check_relay,
    seed_relays,
    words=_WORDS,
    longest=LONGEST_HEAD + 64,
)
STATUSES = Target(
    "status-lines",
    "whatever a web server says, a status stands in its first line and steers no terminal",
    check_status,
    seed_statuses,
    words=_WORDS,
    longest=4200,
)
LOSSES = Target(
    "loss-messages",
    "whatever a network says, a packet is lost only if its address stands in the message",
    check_loss,
    seed_losses,
    longest=128,
)
