"""What resolvers answer: STUN messages, web pages, and the address in either."""

from __future__ import annotations

import zlib
from ipaddress import ip_address

import pytest

from watchword.errors import PeerError
from watchword.wire.whereabouts import claims, stun, web_answer
from watchword.wire.whereabouts.claims import NoAddressError
from watchword.wire.whereabouts.web_answer import BODY_LIMIT, HEAD_LIMIT, WebAnswer

# The sample answers of RFC 5769, sections 2.2 and 2.3.
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SAMPLE_4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
SAMPLE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf1"
    "1784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def message(kind: int, *attributes: tuple[int, bytes], transaction: bytes = TRANSACTION) -> bytes:
    """A STUN message without a FINGERPRINT."""
    body = b"".join(
        number.to_bytes(2, "big")
        + len(value).to_bytes(2, "big")
        + value
        + b"\0" * (-len(value) % 4)
        for number, value in attributes
    )
    head = kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + bytes.fromhex("2112a442")
    return head + transaction + body


MAPPED = (0x0020, bytes.fromhex("0001a147e112a643"))


@pytest.mark.parametrize(
    ("sample", "address"),
    [(SAMPLE_4, "192.0.2.1"), (SAMPLE_6, "2001:db8:1234:5678:11:2233:4455:6677")],
    ids=["IPv4", "IPv6"],
)
def test_the_sample_answers_of_rfc_5769_are_read(sample: bytes, address: str) -> None:
    assert stun.answer(sample, TRANSACTION) == ip_address(address)


def test_a_question_is_a_binding_request_with_its_fingerprint() -> None:
    asked = stun.question(TRANSACTION)
    assert asked[:20] == bytes.fromhex("000100082112a442") + TRANSACTION
    assert asked[20:24] == bytes.fromhex("80280004")
    assert int.from_bytes(asked[24:], "big") == zlib.crc32(asked[:20]) ^ 0x5354554E


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        SAMPLE_4[:19],
        SAMPLE_4[:-4],
        SAMPLE_4 + b"\0",
        SAMPLE_4[:8] + b"\0" + SAMPLE_4[9:],
        b"\x01\x01\x00\x3c\x00\x00\x00\x00" + SAMPLE_4[8:],
        SAMPLE_4[:-1] + b"\0",
        SAMPLE_4.replace(b"\xe1\x12\xa6\x43", b"\xe1\x12\xa6\x44"),
        message(0x0001, MAPPED),
        message(0x0011, MAPPED),
        message(0x0101, (0x8028, b"\0\0\0\0"), MAPPED),
    ],
    ids=[
        "nothing", "short head", "cut off", "longer than it says", "another transaction",
        "another cookie", "wrong fingerprint", "changed address", "a question", "an indication",
        "a fingerprint that is not the last",
    ],
)  # fmt: skip
def test_what_does_not_answer_our_question_is_passed_over(datagram: bytes) -> None:
    assert stun.answer(datagram, TRANSACTION) is None


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (message(0x0111, (0x0009, b"\0\0\x03\x00Try Alternate")), "error 300"),
        (message(0x0111), "error without a number"),
        (message(0x0101), "no XOR-MAPPED-ADDRESS"),
        (message(0x0101, (0x0001, bytes.fromhex("0001a147c0000201"))), "no XOR-MAPPED-ADDRESS"),
        (message(0x0101, (0x0020, b"")), "no known family"),
        (message(0x0101, (0x0020, bytes.fromhex("0003a147e112a643"))), "no known family"),
        (message(0x0101, (0x0020, bytes.fromhex("0002a147e112a643"))), "no known family"),
        (message(0x0101, (0x7FFF, b""), MAPPED), "0x7fff"),
        (message(0x0101, MAPPED)[:-9] + b"\x20" + message(0x0101, MAPPED)[-8:], "cut off"),
    ],
)  # fmt: skip
def test_an_answer_without_an_address_says_why(datagram: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        stun.answer(datagram, TRANSACTION)


def test_attributes_of_the_older_standard_do_no_harm() -> None:
    old = message(0x0101, (0x0004, b"\0" * 8), (0x0005, b"\0" * 8), MAPPED)
    assert stun.answer(old, TRANSACTION) == ip_address("192.0.2.1")


# Web pages.

HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        HEAD + b"\r\n192.0.2.7",
        HEAD + b"Content-Length: 9\r\n\r\n192.0.2.7 and more that does not belong",
        HEAD + b"content-length:9\r\n\r\n192.0.2.7",
        b"HTTP/1.0 200\nServer: x\n\n192.0.2.7",
        HEAD + b"Transfer-Encoding: Chunked\r\n\r\n4\r\n192.\r\n5;name=x\r\n0.2.7\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\n\n9\n192.0.2.7\n0\n",
    ],
    ids=["to the end", "by length", "lower case", "bare line feeds", "chunks", "chunks by feeds"],
)  # fmt: skip
def test_the_text_of_an_answer_is_found(octets: bytes) -> None:
    assert web_answer.read(octets, ended=True) == WebAnswer(200, "", b"192.0.2.7")


def test_an_answer_may_come_in_pieces() -> None:
    whole = HEAD + b"Content-Length: 9\r\n\r\n192.0.2.7"
    for size in range(len(whole)):
        assert web_answer.read(whole[:size], ended=False) is None
    assert web_answer.read(whole, ended=False) is not None
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n192.0.2.7\r\n0\r\n"
    for size in range(len(chunked) - 1):
        assert web_answer.read(chunked[:size], ended=False) is None
    assert web_answer.read(chunked, ended=False) == WebAnswer(200, "", b"192.0.2.7")


def test_a_redirection_shows_where_it_leads() -> None:
    octets = b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\x1b[2J\r\n\r\n"
    assert web_answer.read(octets, ended=True) == WebAnswer(302, "http://portal.example/?[2J", b"")


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "Did not find the end of HTTP header."),
        (b"junk", "Did not find the end of HTTP header."),
        (b"\x16\x03\x01 not HTTP\r\n\r\n", "is not HTTP"),
        (b"HTTP/2 200\r\n\r\n", "is not HTTP"),
        (HEAD + b"Location: /" + b"x" * 1024 + b"\r\n\r\n", "a URL that is too long"),
        (HEAD + b"Content-Length: 10\r\n\r\n192.0.2.7", "cut off"),
        (HEAD + b"Content-Length: -1\r\n\r\n192.0.2.7", "is no number"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "unknown encoding"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", "chunks wrongly"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", "chunks wrongly"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "cut off"),
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        web_answer.read(octets, ended=True)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (HEAD_LIMIT // 6),
        HEAD + b"\r\n" + b"1" * (BODY_LIMIT + 1),
        HEAD + b"Content-Length: 2001\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n7d1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"1" * 1000 + b"\r\n3e9\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 300,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1;%b\r\na\r\n" % (b"x" * 190)) * 80,
    ],
    ids=[
        "head",
        "to the end",
        "by length",
        "one chunk",
        "two chunks",
        "the line of a chunk",
        "lines of chunks",
    ],
)
def test_an_answer_that_is_too_long_is_refused_before_its_end(octets: bytes) -> None:
    with pytest.raises(PeerError):
        web_answer.read(octets, ended=False)


# Addresses.


@pytest.mark.parametrize(
    ("text", "version", "address"),
    [
        (b"192.0.2.7", 4, "192.0.2.7"),
        (b"192.0.2.7\r\nsecond line", 4, "192.0.2.7"),
        (b"192.0.2.7<br>", 4, "192.0.2.7"),
        (b"2001:db8::7\n", 6, "2001:db8::7"),
        (b"2001:DB8:0::7 (you)", 6, "2001:db8::7"),
    ],
)
def test_a_page_begins_with_the_address(text: bytes, version: int, address: str) -> None:
    assert claims.leading(text, version) == ip_address(address)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"", 4),
        (b"<html>192.0.2.7</html>", 4),
        (b" 192.0.2.7", 4),
        (b"192.0.2", 4),
        (b"192.0.2.7.8", 4),
        (b"192.0.2.256", 4),
        (b"2001:db8::7", 4),
        (b"192.0.2.7", 6),
        (b"0.0.0.0", 4),
        (b"255.255.255.255", 4),
        (b"224.0.0.1", 4),
        (b"::", 6),
        (b"::1", 6),
        (b"ff02::1", 6),
        (b"::ffff:192.0.2.7", 6),
        (b"1" * 2000, 4),
    ],
)
def test_a_page_that_begins_with_something_else_is_refused(text: bytes, version: int) -> None:
    with pytest.raises(NoAddressError):
        claims.leading(text, version)


def test_a_record_is_an_address_and_nothing_else() -> None:
    assert claims.whole(b"192.0.2.7", 4) == ip_address("192.0.2.7")
    for text in (b"192.0.2.7 ", b"", b"v=spf1", b"\xff", b"192.0.2.7" * 100, b"fe80::1%0"):
        with pytest.raises(NoAddressError):
            claims.whole(text, 4 if b":" not in text else 6)


def test_an_answer_names_one_address_and_no_two() -> None:
    one, other = ip_address("192.0.2.7"), ip_address("192.0.2.8")
    assert claims.only([one, one], 4) == one
    for several in ([], [one, other]):
        with pytest.raises(NoAddressError):
            claims.only(several, 4)
