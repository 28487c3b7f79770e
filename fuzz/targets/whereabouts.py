"""What resolvers answer to the question which address they see us under.

Invariants: a STUN datagram without our transaction is nothing, and an address
that is read from one stands in it, masked; a web answer is the same however it
comes, is read in the limits, and the address in it stands at the beginning of
its text.

An input is a datagram, or a web answer.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from ipaddress import ip_address

from fuzz.target import Target
from watchword.errors import PeerError
from watchword.wire.whereabouts import claims, stun, web_answer

_TRANSACTION = bytes(range(12))
_MASK = struct.pack("!I", 0x2112A442) + _TRANSACTION


def check_stun(octets: bytes) -> str:
    try:
        address = stun.answer(octets, _TRANSACTION)
    except PeerError:
        assert _TRANSACTION in octets[:20]
        return "refused"
    if address is None:
        return "passed over"
    assert octets[4:20] == _MASK
    masked = bytes(one ^ two for one, two in zip(address.packed, _MASK, strict=False))
    assert masked in octets[24:]
    assert stun.answer(octets, bytes(12)) is None
    return f"IPv{address.version}"


def check_web(octets: bytes) -> str:
    try:
        whole = web_answer.read(octets, ended=True)
    except PeerError:
        return "refused"
    assert whole is not None
    assert len(whole.body) <= web_answer.BODY_LIMIT
    assert whole.location.isascii()
    assert whole.location == "" or whole.location.isprintable()
    for size in range(0, len(octets), 7):
        assert web_answer.read(octets[:size], ended=False) in (None, whole)
    return _check_text(whole.body)


def _check_text(text: bytes) -> str:
    found = "text"
    for version in (4, 6):
        try:
            address = claims.leading(text, version)
        except PeerError:
            continue
        assert any(
            text[:size].isascii() and _reads_as(text[:size].decode("ascii"), str(address))
            for size in range(2, 47)
        )
        found = f"IPv{version}"
    return found


def _reads_as(text: str, address: str) -> bool:
    try:
        return str(ip_address(text)) == address
    except ValueError:
        return False


def _message(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + b"\0" * (-len(value) % 4)
        for number, value in attributes
    )
    return struct.pack("!HH", kind, len(body)) + _MASK + body


def seed_stun() -> Iterator[bytes]:
    for text in ("192.0.2.7", "2001:db8::7"):
        seen = ip_address(text)
        masked = bytes(one ^ two for one, two in zip(seen.packed, _MASK, strict=False))
        value = bytes([0, 1 if seen.version == 4 else 2, 1, 2]) + masked
        plain = _message(0x0101, (0x8022, b"server"), (0x0020, value))
        yield plain
        head = plain[:2] + struct.pack("!H", len(plain) - 20 + 8) + plain[4:]
        yield head + struct.pack("!HHI", 0x8028, 4, zlib.crc32(head) ^ 0x5354554E)
        yield _message(0x0101, (0x0001, value))
    yield _message(0x0111, (0x0009, b"\0\0\4\1no"))
    yield _message(0x0101)


def seed_web() -> Iterator[bytes]:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
    for text in (b"192.0.2.7", b"2001:db8::7\n", b"<html>", b""):
        yield head + b"\r\n" + text
        yield head + b"Content-Length: %d\r\n\r\n" % len(text) + text
        yield head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    yield b"HTTP/1.0 302 Found\r\nLocation: https://x.example/\r\n\r\n"


STUN = Target(
    "stun-answers",
    "any datagram is passed over, refused, or has the address in it that is read, for our question",
    check_stun,
    seed_stun,
    words=(_MASK, b"\0\x20\0\x08\0\1", b"\0\x20\0\x14\0\2", b"\x80\x28\0\4", b"\1\1", b"\1\x11"),
    longest=200,
)
WEB = Target(
    "web-answers",
    "any answer is refused or read, the same however it comes, and an address is how it begins",
    check_web,
    seed_web,
    words=(
        b"HTTP/1.1 ", b"200", b"\r\n\r\n", b"\n\n", b"Content-Length: ", b"Location: ",
        b"Transfer-Encoding: chunked", b"192.0.2.7", b"2001:db8::7", b"0\r\n", b";",
    ),
    longest=600,
)  # fmt: skip
