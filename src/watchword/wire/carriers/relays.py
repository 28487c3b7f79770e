"""What is said to a relay before a packet can go through it.

In here: SOCKS 4, 4a and 5, and HTTP's CONNECT, as conversations without I/O.
Not in here: sockets and time limits (edges.send), which relay is used (dialects).

A conversation is a generator. It yields what is to be said and how many bytes of
answer it wants, exactly so many are sent into it, and it returns when the way is
open; what follows belongs to the server. It never asks for more than a bounded
number of bytes, and raises DeclinedError for any answer that is not a yes.

Names are passed on as they are: the relay looks them up, nobody else learns them.

Source: RFC 1928, RFC 1929, RFC 9110 9.3.6; SOCKS 4 and 4a as their authors wrote them down.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from watchword.model.relays import Login
from watchword.model.routes import endpoint
from watchword.record import record
from watchword.wire.carriers.answers import DeclinedError, status
from watchword.wire.carriers.http import basic

LONGEST_HEAD: Final = 8192
"""Bytes of an HTTP answer's head that are read; what is longer is no answer."""


@record
class Turn:
    """One step: say this, then wait for so many bytes."""

    say: bytes
    await_bytes: int


Conversation: TypeAlias = Generator[Turn, bytes, None]


_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_LOGIN_HINT: Final = "check the user and password that stand before the @"
_SOCKS4_REPLIES: Final = {
    0x5B: "it refused, or could not reach the server",
    0x5C: "it found no identd here",
    0x5D: "identd here names another user",
}
_SOCKS5_REPLIES: Final = {
    1: "it failed without saying why",
    2: "its rules do not allow it",
    3: "the network cannot be reached from it",
    4: "the server cannot be reached from it, or its name is not known there",
    5: "the server refused the connection",
    6: "it gave up before it reached the server",
    7: "it does not connect to anybody",
    8: "it does not know this kind of address",
}
_SOCKS5_BOUND: Final = {1: 4, 4: 16}
"""Bytes of the address in an answer, by its type."""


def socks4(host: str, port: int, login: Login | None = None) -> Conversation:
    """SOCKS 4 for an IPv4 address, 4a for a name. Of the login, only the user is said.

    Raises DeclinedError; ValueError: an IPv6 address, or what is neither name nor address.
    """
    user = login.user.encode("utf-8") if login else b""
    if b"\0" in user:
        raise ValueError("a SOCKS4 user name cannot hold a zero byte")
    address = _address(host)
    if isinstance(address, IPv6Address):
        raise ValueError("SOCKS4 does not know IPv6 addresses")  # noqa: TRY004  (of text)
    place = b"\0\0\0\1" if address is None else address.packed
    name = host.encode("ascii") + b"\0" if address is None else b""
    request = b"\4\1" + port.to_bytes(2) + place + user + b"\0" + name
    answer = yield Turn(request, 8)
    if answer[0] != 0:
        raise _no_socks(4)
    if answer[1] != 0x5A:
        raise DeclinedError(_SOCKS4_REPLIES.get(answer[1], "it does not speak SOCKS4"))


def socks5(host: str, port: int, login: Login | None = None) -> Conversation:
    """SOCKS 5, with a login if the relay wants one and there is one.

    Raises DeclinedError; ValueError: no name and no address, or a login that does
    not fit (each part 1 to 255 bytes).
    """
    words = _login_words(login) if login else b""
    place = _socks5_place(host)
    methods = b"\5\2\0\2" if login else b"\5\1\0"
    answer = yield Turn(methods, 2)
    if answer[0] != 5:
        raise _no_socks(5)
    if answer[1] == 2 and login:
        answer = yield Turn(words, 2)
        if answer[1] != 0:
            raise DeclinedError("it does not accept the login", hint=_LOGIN_HINT)
    elif answer[1] != 0:
        remedy = _LOGIN_HINT if login else "put user:password@ in front of its name"
        raise DeclinedError("it wants another login", hint=remedy)
    yield from _socks5_request(b"\5\1\0" + place + port.to_bytes(2))


def connect(host: str, port: int, login: Login | None = None) -> Conversation:
    """HTTP CONNECT, with Basic authentication if there is a login. Raises as ``socks5``."""
    place = endpoint(str(_address(host) or host), port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if login:
        lines.append(f"Proxy-Authorization: {basic(login)}")
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    answer = bytearray((yield Turn(head.encode("ascii"), 1)))
    while not answer.endswith((b"\n\r\n", b"\n\n")):
        if len(answer) >= LONGEST_HEAD or not b"HTTP/1.".startswith(answer[:7]):
            raise DeclinedError("it does not speak HTTP")
        answer += yield Turn(b"", 1)
    found = status(bytes(answer))
    if not found.fine:
        raise DeclinedError(f"it answers {found}", hint=found.hint)


def _socks5_request(request: bytes) -> Conversation:
    answer = yield Turn(request, 4)
    if answer[0] != 5:
        raise _no_socks(5)
    if answer[1] != 0:
        raise DeclinedError(_SOCKS5_REPLIES.get(answer[1], "it failed in a way of its own"))
    length = _SOCKS5_BOUND.get(answer[3])
    if length is None:
        if answer[3] != 3:
            raise _no_socks(5)
        length = (yield Turn(b"", 1))[0]
    yield Turn(b"", length + 2)


def _socks5_place(host: str) -> bytes:
    address = _address(host)
    if isinstance(address, IPv4Address):
        return b"\1" + address.packed
    if isinstance(address, IPv6Address):
        return b"\4" + address.packed
    name = host.encode("ascii")
    return b"\3" + bytes([len(name)]) + name


def _login_words(login: Login) -> bytes:
    parts = (login.user.encode("utf-8"), login.password.reveal())
    if not all(1 <= len(part) <= 255 for part in parts):
        raise ValueError("user and password of a SOCKS5 proxy have 1 to 255 bytes each")
    return b"\1" + b"".join(bytes([len(part)]) + part for part in parts)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is; None: a name. Raises ValueError: neither.

    A zone speaks of an interface here and means nothing elsewhere; what stands
    behind its ``%`` could be anything.
    """
    with contextlib.suppress(ValueError):
        if "%" not in host:
            return ip_address(host)
    if not _NAME.fullmatch(host):
        raise ValueError("a host that is neither a name nor an address")
    return None


def _no_socks(version: int) -> DeclinedError:
    return DeclinedError(f"it does not speak SOCKS{version}")
