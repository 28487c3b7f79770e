"""What libfko takes and no sender should write: refused for a reason, and read if asked for.

Each lenient vector is read twice: by a strict lock, which refuses it or reads
it as it stands, and by a lenient one, which reads what libfko reads.
"""

from __future__ import annotations

import pytest

from watchword.conformance.golden import (
    Vector,
    all_of_kind,
    credential_of,
    load,
    message_of,
    payload_of,
)
from watchword.conformance.strictness import LENIENT_BUT_SOUND, NOT_EXPRESSIBLE
from watchword.model.crypto import Digest
from watchword.model.reasons import Reason
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.leniency import LenientLock, c_integer, read
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

POSITIVE = all_of_kind("positive")
LENIENT = {vector["id"]: vector for vector in POSITIVE if vector.get("lenient")}
NEGATIVE = all_of_kind("negative")

_SPELLING = Code.INVALID_DATA_ENCODE_NOTBASE64
_USER = Code.INVALID_DATA_DECODE_USERNAME_DECODEFAIL
_NAT = Code.INVALID_DATA_DECODE_NATACCESS_VALIDFAIL
_NO_NUMBER = "not a plain decimal number"
_NO_HOST = "the host is neither a name nor an address"
_ODD = "not the canonical spelling: "

REFUSED = {
    "len-pad-none": (_SPELLING, Reason.ALPHABET, _ODD + "the plaintext is not padded"),
    "len-b64-pad1": (_SPELLING, Reason.ALPHABET, _ODD + "padded base64"),
    "len-b64-pad-tail": (_SPELLING, Reason.ALPHABET, _ODD + "padded base64"),
    "len-first-char": (_SPELLING, Reason.ALPHABET, _ODD + "a prefix that is none"),
    "len-prefix-kept": (_SPELLING, Reason.ALPHABET, _ODD + "the prefix is on the wire"),
    "perl-salted": (_SPELLING, Reason.ALPHABET, _ODD + "the prefix is on the wire"),
    "len-prefix-kept-hmac": (Code.INVALID_DATA_HMAC_COMPAREFAIL, Reason.MAC_MISMATCH, ""),
    "len-ts-text": (Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-ts-tail": (Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-ts-plus": (Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-ts-zeros": (Code.INVALID_DATA_DECODE_TIMESTAMP_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-type-01": (Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-type-tail": (Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-type-text": (Code.INVALID_DATA_DECODE_MSGTYPE_DECODEFAIL, Reason.MALFORMED, _NO_NUMBER),
    "len-to-wrap": (
        Code.INVALID_DATA_DECODE_TIMEOUT_DECODEFAIL, Reason.MALFORMED, "more than 65536 seconds",
    ),
    "len-auth-empty-field": (
        Code.INVALID_DATA_DECODE_SRVAUTH_DECODEFAIL, Reason.MALFORMED, "an empty field",
    ),
    "len-user-nul": (Code.INVALID_DATA_DECODE_USERNAME_VALIDFAIL, Reason.MALFORMED, ""),
    "len-msg-nul": (
        Code.INVALID_DATA_DECODE_ACCESS_VALIDFAIL, Reason.MALFORMED,
        "a port is not a number from 1 to 65535",
    ),
    "len-user-b64-noncanonical": (_USER, Reason.MALFORMED, "not the canonical spelling"),
    "len-user-b64-tail": (_USER, Reason.MALFORMED, "not the canonical spelling"),
    "nat-2-underscore": (_NAT, Reason.MALFORMED, _NO_HOST),
    "nat-2-control-char": (_NAT, Reason.MALFORMED, _NO_HOST),
    "nat-2-utf8-host": (_NAT, Reason.MALFORMED, _NO_HOST),
    "nat-2-leading-hyphen": (_NAT, Reason.MALFORMED, _NO_HOST),
}  # fmt: skip
"""What a strict lock says: libfko's number for the field, our reason, and the detail."""
SOUND = {
    "len-to-zero": "perl clients send a timeout of 0",
    "len-to-as-auth": "a seventh field of this type is server_auth, whatever it says",
    "len-auth-190": "within what decoders take",
    "len-ver-any": "printable, and only people look at it",
    "nat-2-ipv6-text": "an address like any other",
}
"""What a strict lock reads as well, and why."""
READ_OTHERWISE = {"len-ts-wrap": 4294967303}
"""A time stamp beyond 2038: libfko cuts it to 32 bits, we read what is written."""


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def test_every_lenient_vector_is_in_one_table() -> None:
    assert len(LENIENT) == 30
    assert {vector["id"] for vector in load("lenient")} <= LENIENT.keys()
    assert sorted([*REFUSED, *SOUND, *READ_OTHERWISE]) == sorted(LENIENT)
    assert SOUND.keys() | READ_OTHERWISE.keys() == LENIENT_BUT_SOUND.keys()


@pytest.mark.parametrize("vector", [LENIENT[name] for name in REFUSED], ids=by_id)
def test_a_strict_lock_refuses_it_and_says_why(vector: Vector) -> None:
    with pytest.raises(SpaError) as refused:
        unseal(payload_of(vector), Lock(credential_of(vector["encryption"], vector["hmac"])))
    error = refused.value
    assert (error.code, error.reason, error.detail) == REFUSED[vector["id"]], vector["why"]


@pytest.mark.parametrize("vector", [LENIENT[name] for name in SOUND], ids=by_id)
def test_a_strict_lock_reads_what_nothing_is_wrong_with(vector: Vector) -> None:
    lock = Lock(credential_of(vector["encryption"], vector["hmac"]))
    assert unseal(payload_of(vector), lock).message == message_of(vector), vector["why"]


@pytest.mark.parametrize("name", READ_OTHERWISE)
def test_a_strict_lock_reads_a_time_stamp_in_full(name: str) -> None:
    vector = LENIENT[name]
    lock = Lock(credential_of(vector["encryption"], vector["hmac"]))
    assert unseal(payload_of(vector), lock).message.sent_at == READ_OTHERWISE[name]


@pytest.mark.requirement("4.8", partial=True)
@pytest.mark.parametrize("vector", LENIENT.values(), ids=by_id)
def test_a_lenient_lock_reads_what_libfko_reads(vector: Vector) -> None:
    lock = LenientLock(credential_of(vector["encryption"], vector["hmac"]))
    opened = unseal(payload_of(vector), lock)
    assert opened.message == message_of(vector), vector["why"]
    assert opened.plaintext.decode("ascii") == vector["plaintext"]


@pytest.mark.parametrize(
    "vector", [vector for vector in POSITIVE if vector["id"] not in LENIENT], ids=by_id
)
def test_a_lenient_lock_reads_ordinary_packets_as_a_strict_one_does(vector: Vector) -> None:
    lock = LenientLock(credential_of(vector["encryption"], vector["hmac"]))
    assert unseal(payload_of(vector), lock).message == message_of(vector)


@pytest.mark.requirement("4.8", partial=True)
@pytest.mark.parametrize(
    "vector", [vector for vector in NEGATIVE if vector["id"] not in NOT_EXPRESSIBLE], ids=by_id
)
def test_a_lenient_lock_refuses_what_libfko_refuses_with_its_number(vector: Vector) -> None:
    credential = credential_of(vector["decode"], vector["decode"]["hmac"])
    with pytest.raises(SpaError) as refused:
        unseal(payload_of(vector), LenientLock(credential))
    assert (refused.value.code, refused.value.code.label) == (vector["code"], vector["error"])


def test_every_number_without_a_value_of_ours_is_a_vector() -> None:
    assert NOT_EXPRESSIBLE.issubset(vector["id"] for vector in NEGATIVE)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"", 0), (b"abc", 0), (b"12abc", 12), (b"+5", 5), (b"  7", 7), (b"-3", -3), (b"- 3", 0),
        (b"007", 7), (b"0x10", 0), (b"2147483647", 2147483647), (b"2147483648", -2147483648),
        (b"4294967303", 7), (b"-4294967291", 5), (b"9223372036854775807", -1),
    ],
)  # fmt: skip
def test_a_number_is_read_as_c_reads_it(text: bytes, number: int) -> None:
    assert c_integer(text) == number


@pytest.mark.parametrize("text", [b"9223372036854775808", b"-9223372036854775809", b"9" * 200])
def test_a_number_beyond_64_bits_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        c_integer(text)


ENCODED = b"1234567890123456:YWxpY2U:1700000000:3.0.0:%s:MTkyLjAuMi4xMCx0Y3AvMjI"


def read_closed(encoded: bytes) -> Message:
    """Read a text, with the digest that belongs to it."""
    return read(encoded + b":" + digest_text(Digest.MD5, encoded))


@pytest.mark.parametrize(
    ("kind", "rest", "auth", "seconds"),
    [
        (b"3", b"::60", "", 60), (b"3", b":YQ:60", "a", 60), (b"3", b":YQBi:60", "a", 60),
        (b"1", b":A", "", 0), (b"1", b":", None, 0), (b"3", b":060", None, 60),
    ],
)  # fmt: skip
def test_what_follows_the_message_is_read_leniently(
    kind: bytes, rest: bytes, auth: str | None, seconds: int
) -> None:
    message = read_closed(ENCODED % kind + rest)
    assert (message.server_auth, message.seconds) == (auth, seconds)


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (ENCODED % b"3", 39),
        (ENCODED % b"3" + b":YQ:", 39),
        (ENCODED % b"1" + b":" + b"A" * 257, 34),
        (ENCODED % b"3" + b":" + b"1" * 257, 34),
        (ENCODED % b"3" + b":" + b"1" * 256, 42),
        (ENCODED % b"3" + b":*:60", 38),
        (ENCODED % b"2", 30),
        (ENCODED[1:] % b"1", 12),
    ],
)
def test_what_libfko_refuses_in_texts_too_long_for_rijndael_is_refused(
    encoded: bytes, code: int
) -> None:
    with pytest.raises(SpaError) as refused:
        read_closed(encoded)
    assert refused.value.code == code


def respellings(payload: bytes) -> list[bytes]:
    """Ways to write a packet without HMAC that need no key (chapter 16, item 1)."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    unused = payload[:-1] + bytes([alphabet[alphabet.index(payload[-1]) ^ 1]])
    first = bytes([alphabet[alphabet.index(payload[0]) ^ 4]]) + payload[1:]
    return [payload + b"=", payload + b"=AAAA", b"U2FsdGVkX1" + payload, unused, first]


def test_every_respelling_that_a_lenient_lock_admits_has_one_plaintext() -> None:
    """What the class says to remember instead of the packet's digest."""
    vector = next(each for each in load("versions") if not each["hmac"])
    credential = credential_of(vector["encryption"], None)
    payload = payload_of(vector)
    genuine = unseal(payload, Lock(credential))

    again = [unseal(each, LenientLock(credential)) for each in respellings(payload)]

    assert [each.plaintext for each in again] == [genuine.plaintext] * 5
    for each in respellings(payload):
        with pytest.raises(SpaError, match="not the canonical spelling"):
            unseal(each, Lock(credential))


def test_a_lenient_lock_does_not_open_what_another_key_sealed() -> None:
    vector = load("hmac")[0]
    credential = credential_of(vector["encryption"], vector["hmac"])
    other = load("hmac")[1]
    assert other["hmac"]["key_b64"] != vector["hmac"]["key_b64"]
    lock = LenientLock(credential)
    opened: list[Message] = [unseal(payload_of(vector), lock).message]
    with pytest.raises(SpaError) as refused:
        opened.append(unseal(payload_of(other), lock).message)
    assert refused.value.reason is Reason.MAC_MISMATCH
    assert opened == [message_of(vector)]
