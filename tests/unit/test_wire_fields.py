"""Decrypted texts: each rule of the plaintext, with the number of its error."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from watchword.model.crypto import Digest
from watchword.wire.spa.composing import compose
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.message import Message, MessageType

RANDOM = "1234567890123456"
ACCESS = "192.0.2.10,tcp/22"
MESSAGE = Message(RANDOM, "alice", 1700000000, "3.0.0", MessageType.ACCESS, ACCESS)


def b64(text: str | bytes) -> str:
    octets = text.encode() if isinstance(text, str) else text
    return base64.b64encode(octets).decode().rstrip("=")


def sealed(encoded: str, digest: Digest = Digest.SHA256) -> bytes:
    octets = encoded.encode("latin-1")
    return octets + b":" + digest_text(digest, octets)


def text(
    *,
    random: str = RANDOM,
    user: str = b64("alice"),
    sent_at: str = "1700000000",
    version: str = "3.0.0",
    kind: str = "1",
    message: str = b64(ACCESS),
    rest: str = "",
) -> bytes:
    """A text of six fields and more, spelled out, with a digest that is right."""
    return sealed(f"{random}:{user}:{sent_at}:{version}:{kind}:{message}{rest}")


def refusal(plaintext: bytes) -> int:
    with pytest.raises(SpaError) as refused:
        read(plaintext)
    return refused.value.code


def test_a_text_is_read() -> None:
    assert read(text()) == MESSAGE


@pytest.mark.parametrize("digest", Digest)
def test_every_digest_closes_a_text(digest: Digest) -> None:
    message = replace(MESSAGE, digest=digest)
    assert read(compose(message)) == message


@pytest.mark.parametrize(
    ("plaintext", "code"),
    [
        # numbers are their decimal digits and nothing else
        (text(random="123456789012345"), 12),
        (text(random="12345678901234567"), 12),
        (text(random="123456789012345x"), 12),
        (text(sent_at=""), 17),
        (text(sent_at="1" * 13), 18),
        (text(sent_at="-1"), 19),
        (text(sent_at="+5"), 19),
        (text(sent_at=" 5"), 19),
        (text(sent_at="05"), 19),
        (text(sent_at="12abc"), 19),
        (text(sent_at="0x10"), 19),
        (text(kind=""), 22),
        (text(kind="100"), 23),
        (text(kind="7"), 24),
        (text(kind="01"), 24),
        (text(kind="1x"), 24),
        (text(kind="x"), 24),
        (text(kind="-1"), 24),
        (text(kind="3", rest=":"), 39),
        (text(kind="3"), 39),
        (text(kind="3", rest=":-1"), 41),
        (text(kind="3", rest=":+60"), 41),
        (text(kind="3", rest=": 60"), 41),
        (text(kind="3", rest=":60s"), 41),
        (text(kind="3", rest=":060"), 42),
        (text(kind="3", rest=":65537"), 42),
        (text(kind="3", rest=":18446744073709551617"), 42),
        # user names
        (text(user=""), 13),
        (text(user=b64("u" * 49)), 14),
        (text(user="YWxp*2U"), 15),
        (text(user="A"), 16),
        (text(user=b64("a\nb")), 16),
        (text(user=b64("a\x1b[31m")), 16),
        (text(user=b64("é")), 16),
        (text(user=b64("a\0b")), 16),
        (text(user="YWxpY2V"), 15),  # unused bits set
        (text(user="YWxpY2U=YWJj"), 15),
        (text(user="YWxpY2U=="), 15),
        # the rest
        (text(version=""), 20),
        (text(version="1.9.12-p5"), 21),
        (text(message=""), 25),
        (text(message="A" * 257), 26),
        (text(message="*"), 27),
        (text(message=b64("192.0.2.10")), 29),
        (text(message=b64("192.0.2.10,tcp/22\0")), 29),
        (text(kind="0", message=b64("id")), 28),
        (text(kind="0", message=b64("192.0.2.10,id\0x")), 28),
        (text(kind="2"), 30),
        (text(kind="2", rest=":"), 30),
        (text(kind="2", rest=":" + "A" * 257), 31),
        (text(kind="2", rest=":*"), 32),
        (text(kind="2", rest=":" + b64("10.0.0.1")), 33),
        (text(rest=":" + "A" * 257), 34),
        (text(rest=":*"), 35),
        (text(rest=":"), 35),
        (text(rest=":" + b64("a\0b")), 35),
        (text(kind="3", rest=":*:60"), 38),
        (text(kind="3", rest="::60"), 38),
        (text(rest=f":{b64('a')}:{b64('b')}"), 10),
        (text(kind="0", message=b64("192.0.2.10,id"), rest=":YQ:60"), 10),
        (text(kind="2", rest=f":{b64('h,1')}:YQ:60"), 10),
        (text(kind="4", rest=f":{b64('h,1')}:YQ:60:1"), 10),
        (text(rest=":1" * 5), 10),
        (text(rest=":1" * 6), 99),  # the twelfth colon is not looked for
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_number(plaintext: bytes, code: int) -> None:
    assert refusal(plaintext) == code


def test_limits_are_reached_and_not_passed() -> None:
    stamp = read(text(sent_at="9" * 12)).sent_at
    assert stamp == 999_999_999_999
    assert read(text(user=b64("u" * 48))).user == "u" * 48
    assert read(text(kind="3", rest=":65536")).seconds == 65536
    assert read(text(version="12345678")).version == "12345678"
    assert read(text(rest=":" + b64("a" * 192))).server_auth == "a" * 192


def test_length_is_looked_at_before_anything_else() -> None:
    assert refusal(b"") == 6
    assert refusal(b"\x80" * 35) == 6
    assert refusal(b"\x80" * 1500) == 6
    assert refusal(b"\x80" * 36) == 7
    assert refusal(b"\x80" * 1499) == 7


@pytest.mark.parametrize(
    ("plaintext", "code"),
    [
        (text() + b"\n", 7),
        (text().replace(b"alice", b"al\tce").replace(b"3.0.0", b"3.\t.0"), 7),
        (text() + b"\0", 108),
        (text()[:-1], 99),
        (text()[:-1] + b"!", 108),
        (text() + b"=", 99),
        (text().swapcase(), 108),
        (b"1234567890123456:a:b:c:d" + b"e" * 20, 8),
    ],
)
def test_a_text_that_is_not_whole_is_refused(plaintext: bytes, code: int) -> None:
    assert refusal(plaintext) == code


def test_a_digest_of_equal_length_is_tried_under_each_of_its_names() -> None:
    encoded = f"{RANDOM}:{b64('alice')}:1700000000:3.0.0:1:{b64(ACCESS)}"
    assert read(sealed(encoded, Digest.SHA3_256)).digest is Digest.SHA3_256
    assert read(sealed(encoded, Digest.SHA3_512)).digest is Digest.SHA3_512


def test_fields_of_perl_clients_keep_their_padding() -> None:
    assert read(text(user="cm9vdA==")).user == "root"
    assert refusal(text(user="cm9vdA=")) == 15


def test_bytes_that_are_no_utf8_come_back_as_they_were() -> None:
    command = b"192.0.2.10,echo \xff\xfe \xc3\xa9"
    message = read(text(kind="0", message=b64(command)))
    assert message.text.encode("utf-8", "surrogateescape") == command
    assert read(compose(message)) == message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"random": "123456789012345x"}, 86),
        ({"random": "１" * 16}, 86),
        ({"sent_at": -1}, 88),
        ({"sent_at": 10**12}, 88),
        ({"version": ""}, 4),
        ({"version": "3:0"}, 4),
        ({"version": "123456789"}, 4),
        ({"user": ""}, 89),
        ({"user": "/root"}, 90),
        ({"user": "é"}, 90),
        ({"user": "a:b"}, 91),
        ({"user": "u" * 49}, 94),
        ({"text": ""}, 80),
        ({"text": "host,tcp/22"}, 100),
        ({"text": "2001:DB8::1,tcp/22"}, 100),
        ({"text": "192.0.2.10,tcp/0"}, 102),
        ({"text": "192.0.2.10," + ",".join(["tcp/22"] * 30)}, 94),
        ({"text": "192.0.2.10,tcp/22\ud800"}, 4),
        ({"type": MessageType.COMMAND, "text": "192.0.2.10,\udcc3\udca9"}, 4),
        ({"type": MessageType.COMMAND, "text": "192.0.2.10,a\0"}, 4),
        ({"nat": "10.0.0.1,22"}, 79),
        ({"type": MessageType.NAT_ACCESS}, 97),
        ({"type": MessageType.LOCAL_NAT_ACCESS}, 97),
        ({"type": MessageType.NAT_ACCESS, "nat": ""}, 85),
        ({"type": MessageType.NAT_ACCESS, "nat": "10.0.0.1"}, 103),
        ({"type": MessageType.NAT_ACCESS, "nat": "h" * 126 + ",1"}, 94),
        ({"server_auth": ""}, 87),
        ({"server_auth": "a" * 64}, 94),
        ({"server_auth": "a\0"}, 4),
        ({"seconds": -1}, 5),
        ({"seconds": 65537}, 94),
    ],
)
def test_what_no_decoder_takes_is_not_written(change: dict[str, object], code: int) -> None:
    with pytest.raises(SpaError) as refused:
        compose(replace(MESSAGE, **change))  # type: ignore[arg-type]  # the table mixes fields
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("asked", "seconds", "sent"),
    [
        (0, 0, 0), (0, 45, 0), (1, 0, 1), (1, 45, 3), (2, 0, 2), (2, 45, 4), (3, 0, 1),
        (3, 45, 3), (4, 0, 2), (4, 45, 4), (5, 0, 5), (5, 45, 6), (6, 0, 5), (6, 45, 6),
    ],
)  # fmt: skip
def test_the_type_follows_the_timeout(asked: int, seconds: int, sent: int) -> None:
    kind = MessageType(asked)
    message = replace(
        MESSAGE,
        type=kind,
        seconds=seconds,
        nat="10.0.0.5,22" if kind.has_nat else None,
        text="192.0.2.10,id" if kind is MessageType.COMMAND else ACCESS,
    )
    read_back = read(compose(message))
    assert (read_back.type, read_back.seconds) == (sent, seconds if kind else 0)


def test_types_have_the_names_that_fwknop_shows() -> None:
    assert [kind.display for kind in MessageType] == [
        "Command msg",
        "Access msg",
        "NAT access msg",
        "Client timeout access msg",
        "Client timeout NAT access msg",
        "Local NAT access msg",
        "Client timeout local NAT access msg",
    ]
