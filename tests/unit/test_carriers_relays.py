"""What is said to a relay, byte for byte, and which answers open the way."""

from __future__ import annotations

import pytest

from watchword.model.crypto import Secret
from watchword.model.relays import Login
from watchword.wire.carriers.answers import DeclinedError, Status, status
from watchword.wire.carriers.relays import LONGEST_HEAD, Conversation, connect, socks4, socks5

ALICE = Login("alice", Secret(b"pa:ss"))
GRANTED_4 = b"\0\x5a" + bytes(6)
GRANTED_5 = b"\5\0\0\1" + bytes(6)


def hold(talk: Conversation, answers: bytes) -> tuple[bytes, int]:
    """Play a relay that has prepared its answers: what it was told, and what is left of them.

    Raises EOFError when they end before the conversation does.
    """
    told = b""
    try:
        turn = next(talk)
        while True:
            told += turn.say
            piece, answers = answers[: turn.await_bytes], answers[turn.await_bytes :]
            if len(piece) < turn.await_bytes:
                raise EOFError
            turn = talk.send(piece)
    except StopIteration:
        return told, len(answers)


SAID = {
    "4, address": (
        socks4("192.0.2.7", 62201), GRANTED_4,
        b"\4\1\xf2\xf9\xc0\x00\x02\x07\0",
    ),
    "4a, name": (
        socks4("spa.example", 443), GRANTED_4,
        b"\4\1\x01\xbb\0\0\0\1\0spa.example\0",
    ),
    "4a, user": (
        socks4("spa.example", 443, ALICE), GRANTED_4,
        b"\4\1\x01\xbb\0\0\0\1alice\0spa.example\0",
    ),
    "5, IPv4": (
        socks5("192.0.2.7", 80), b"\5\0" + GRANTED_5,
        b"\5\1\0" b"\5\1\0\1\xc0\x00\x02\x07\0\x50",
    ),
    "5, IPv6": (
        socks5("2001:db8::7", 80), b"\5\0" b"\5\0\0\4" + bytes(18),
        b"\5\1\0" b"\5\1\0\4" + bytes.fromhex("20010db8000000000000000000000007") + b"\0\x50",
    ),
    "5, name, bound to a name": (
        socks5("spa.example", 80), b"\5\0" b"\5\0\0\3\5relay\0\0",
        b"\5\1\0" b"\5\1\0\3\x0bspa.example\0\x50",
    ),
    "5, login": (
        socks5("spa.example", 80, ALICE), b"\5\2" b"\1\0" + GRANTED_5,
        b"\5\2\0\2" b"\1\5alice\5pa:ss" b"\5\1\0\3\x0bspa.example\0\x50",
    ),
    "5, login not wanted": (
        socks5("spa.example", 80, ALICE), b"\5\0" + GRANTED_5,
        b"\5\2\0\2" b"\5\1\0\3\x0bspa.example\0\x50",
    ),
    "CONNECT": (
        connect("spa.example", 443), b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
        b"CONNECT spa.example:443 HTTP/1.1\r\nHost: spa.example:443\r\n\r\n",
    ),
    "CONNECT, IPv6, login": (
        connect("2001:db8::7", 443, ALICE), b"HTTP/1.0 200\n\n",
        b"CONNECT [2001:db8::7]:443 HTTP/1.1\r\nHost: [2001:db8::7]:443\r\n"
        b"Proxy-Authorization: Basic YWxpY2U6cGE6c3M=\r\n\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_a_relay_is_asked_in_these_bytes_and_its_yes_is_read_to_the_byte(case: str) -> None:
    talk, answers, said = SAID[case]
    assert hold(talk, answers + b"SSH-2.0-what-the-server-says") == (said, 28)


DECLINED = {
    "4 rejected": (socks4, b"\0\x5b" + bytes(6), "it refused, or could not reach the server"),
    "4 in other words": (socks4, b"\0\x77" + bytes(6), "it does not speak SOCKS4"),
    "4 in HTTP": (socks4, b"HTTP/1.1 400 Bad Request", "it does not speak SOCKS4"),
    "5 in HTTP": (socks5, b"HTTP/1.1 400 Bad Request", "it does not speak SOCKS5"),
    "5 wants a login": (socks5, b"\5\xff", "it wants another login"),
    "5 forces a login": (socks5, b"\5\2", "it wants another login"),
    "5 unreachable": (socks5, b"\5\0\5\4\0\1", "the server cannot be reached from it"),
    "5 refused": (socks5, b"\5\0\5\5\0\1", "the server refused the connection"),
    "5 by its rules": (socks5, b"\5\0\5\2\0\1", "its rules do not allow it"),
    "5 unknown": (socks5, b"\5\0\5\x99\0\1", "it failed in a way of its own"),
    "5 bound to nonsense": (socks5, b"\5\0\5\0\0\7", "it does not speak SOCKS5"),
    "5 forgets itself": (socks5, b"\5\0\4\0\0\1", "it does not speak SOCKS5"),
    "CONNECT refused": (connect, b"HTTP/1.1 403 Forbidden\r\n\r\n", "it answers 403 Forbidden"),
    "CONNECT wants a login": (connect, b"HTTP/1.1 407 \r\n\r\n", "it answers 407"),
    "CONNECT in SSH": (connect, b"SSH-2.0-x", "it does not speak HTTP"),
    "CONNECT without code": (connect, b"HTTP/1.1 yes\r\n\r\n", "it does not speak HTTP"),
}


@pytest.mark.parametrize("case", DECLINED)
def test_every_other_answer_is_no_and_says_which(case: str) -> None:
    ask, answers, words = DECLINED[case]
    with pytest.raises(DeclinedError, match=f"^{words}"):
        hold(ask("spa.example", 80), answers)


def test_a_login_that_is_not_accepted_is_told_apart() -> None:
    with pytest.raises(DeclinedError, match="it does not accept the login") as caught:
        hold(socks5("spa.example", 80, ALICE), b"\5\2\1\1")
    assert "user and password" in caught.value.hint
    with pytest.raises(DeclinedError) as caught:
        hold(connect("spa.example", 80), b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    assert "user:password@" in caught.value.hint


def test_a_proxy_that_answers_without_end_is_left() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * LONGEST_HEAD
    with pytest.raises(DeclinedError, match="it does not speak HTTP"):
        hold(connect("spa.example", 80), endless)


@pytest.mark.parametrize("ask", [socks4, socks5, connect])
@pytest.mark.parametrize(
    "host", ["", "a b", "a\r\nX: y", "fe80::1%a\r\nX: y", "x" * 256, "ä.example", "a\0b"]
)
def test_what_is_no_host_is_never_said_to_a_relay(ask: object, host: str) -> None:
    with pytest.raises(ValueError, match="neither a name nor an address"):
        hold(ask(host, 80), GRANTED_5)  # type: ignore[operator]


def test_what_a_relay_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="SOCKS4 does not know IPv6"):
        hold(socks4("2001:db8::7", 80), b"")
    with pytest.raises(ValueError, match="zero byte"):
        hold(socks4("a.example", 80, Login("a\0b", Secret(b""))), b"")
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        hold(socks5("a.example", 80, Login("a", Secret(b""))), b"")
    with pytest.raises(ValueError, match="colon"):
        hold(connect("a.example", 80, Login("a:b", Secret(b"c"))), b"")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 404 Not Found\r\nServer: x", Status(404, "Not Found")),
        (b"HTTP/1.0 200\n", Status(200)),
        (b"HTTP/1.1 200 O\x1b[31mK", Status(200, "O")),
        (b"HTTP/1.1 500 " + b"x" * 3000, Status(500, "x" * 64)),
    ],
)
def test_the_first_line_of_an_answer_is_read_and_cannot_steer_a_terminal(
    answer: bytes, found: Status
) -> None:
    assert status(answer) == found


@pytest.mark.parametrize("answer", [b"", b"HTTP/2 200", b"HTTP/1.1 99 x", b"HTTP/1.1 2000", b"<h>"])
def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    with pytest.raises(DeclinedError):
        status(answer)
