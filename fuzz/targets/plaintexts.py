"""Plaintexts behind valid keys: what somebody can send who has them, or a hostile client library.

Invariant: a plaintext is refused with SpaError, or it is read as a message
whose own writing is the normal form of that plaintext.

The *normal form* is the plaintext without the ``=`` that perl clients leave in
base64 fields, and with the untimed type in place of a timed one whose timeout
is 0. So a message has more than one accepted plaintext, and their digests
differ. That is no way to send a packet again: each plaintext is another
packet, and only who has the key can make it, who could as well draw another
random value. Those without the key are held to the spelling that ``packets``
checks: from one packet they can make no other that is accepted.

An input is a byte that chooses how the digest is made, and the fields before it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from random import Random

from fuzz import keys
from fuzz.target import Scramble, Target
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.composing import compose
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.message import Message
from watchword.wire.spa.opening import Lock, unseal

CREDENTIAL = Credential(Secret(b"a key of thirty-two bytes, truly"), mac_key=Secret(b"the MAC's"))
MODES = (CipherMode.CBC, CipherMode.CTR, CipherMode.LEGACY)
AS_IT_IS = 8
"""The choice that leaves the digest to the input."""
_KINDS = tuple(Digest)
_TOO_LONG_TO_WRITE = 63  # bytes of server_auth; decoders take 192
_LONGEST = 280  # bytes; beyond 271 a plaintext no longer fits into a packet
_MOST = 1502  # bytes; what decoders take, and a little more
_FIELDS = (
    b"", b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"60", b"00", b"65536", b"65537", b"2147483648",
    b"-1", b"3.0.0", b"YWxpY2U", b"YWxpY2U=", b"MS4xLjEuMSx0Y3AvMjI", b"MTAuMC4wLjUsODA",
    b"Y3J5cHQscHc", b"=", b"A",
)  # fmt: skip


def text_of(octets: bytes) -> bytes:
    """The plaintext that an input stands for: digest repaired, wrong, or the input's own."""
    choice, encoded = octets[0] % 9 if octets else AS_IT_IS, octets[1:]
    if choice == AS_IT_IS:
        return encoded
    if choice < len(_KINDS):
        return encoded + b":" + digest_text(_KINDS[choice], encoded)
    return encoded + b":" + digest_text(Digest.SHA256, encoded + b".")


def check(octets: bytes) -> str:
    plaintext = text_of(octets)
    mode = MODES[len(octets) % len(MODES)]
    lock = Lock(Credential(CREDENTIAL.key, mode, CREDENTIAL.mac_key))
    payload = keys.packet(plaintext, Credential(CREDENTIAL.key, mode, CREDENTIAL.mac_key))
    assert lock.fits(payload)
    try:
        message = unseal(payload, lock).message
    except SpaError as error:
        _check_refused(plaintext, error)
        return f"refused {error.code.value}"
    assert read(plaintext) == message
    return check_written(plaintext, message)


def _check_refused(plaintext: bytes, error: SpaError) -> None:
    """Behind the decryption nothing is refused for another reason than the text itself gives,
    except its size, and a random value that is none (which is how a wrong key shows)."""
    try:
        read(plaintext)
    except SpaError as again:
        assert again.code == error.code or error.code in _BEFORE_READING
    else:
        assert error.code in _BEFORE_READING


_BEFORE_READING = {
    Code.INVALID_DATA_FUNCS_NEW_MSGLEN_VALIDFAIL,
    Code.INVALID_DATA_ENCRYPT_TYPE_UNKNOWN,
    Code.DECRYPTION_SIZE,
    Code.DECRYPTION_FAILURE,
    Code.INVALID_DATA_HMAC_ENCMSGLEN_VALIDFAIL,
}


def check_written(plaintext: bytes, message: Message) -> str:
    """Hold what was read of a plaintext against its normal form."""
    try:
        written = compose(message)
    except SpaError as error:
        assert error.code is Code.DATA_TOO_LARGE
        assert message.server_auth
        assert len(message.server_auth.encode("utf-8", "surrogateescape")) > _TOO_LONG_TO_WRITE
        return "accepted, not written"
    normal = normal_form(plaintext, message)
    assert written == normal
    again = read(written)
    assert again == read(normal)
    assert compose(again) == written
    assert (again.text, again.nat, again.user, again.seconds) == (
        message.text, message.nat, message.user, message.seconds,
    )  # fmt: skip
    return "accepted" if written == plaintext else "accepted, other spelling"


def normal_form(plaintext: bytes, message: Message) -> bytes:
    """The plaintext in its own words, made from the text and not from the values."""
    encoded = plaintext.rpartition(b":")[0]
    assert plaintext == encoded + b":" + digest_text(message.digest, encoded)
    fields = encoded.split(b":")
    texts = [1, *range(5, len(fields) - message.type.has_timeout)]
    for place in texts:
        fields[place] = fields[place].rstrip(b"=")
    if message.type.has_timeout and fields[-1] == b"0":
        fields[4] = str(int(message.type.for_seconds(0))).encode("ascii")
        del fields[-1]
    normal = b":".join(fields)
    return normal + b":" + digest_text(message.digest, normal)


def seeds() -> Iterator[bytes]:
    for number, encoded in enumerate(keys.golden_texts()):
        yield bytes([number % len(_KINDS)]) + encoded
        if not number % 8:
            yield bytes([AS_IT_IS]) + encoded + b":" + digest_text(Digest.SHA256, encoded)


def mutate(octets: bytes, source: Random, scramble: Scramble) -> bytes:
    return mutate_long(octets, source, scramble)[:_LONGEST]


def mutate_long(octets: bytes, source: Random, scramble: Scramble) -> bytes:
    """Change one field: its text, what its base64 stands for, or whether it is there."""
    choice, encoded = octets[:1], octets[1:]
    fields = encoded.split(b":")
    place = source.randrange(len(fields)) or source.randrange(len(fields))
    match source.randrange(9):
        case 0:
            return scramble(octets, _MOST)
        case 1:
            fields[place] = scramble(fields[place], _MOST)
        case 2 | 3 | 4:
            place = source.choice([1, 5, 5, *range(5, len(fields))]) % len(fields)
            fields[place] = _other_content(fields[place], source, scramble)
        case 5:
            fields[place] = source.choice(_FIELDS)
        case 6:
            fields.insert(source.randint(0, len(fields)), source.choice([*_FIELDS, *fields]))
        case 7:
            del fields[place]
        case _:
            choice = bytes([source.randrange(9)])
    return choice + b":".join(fields)


def _other_content(field: bytes, source: Random, scramble: Scramble) -> bytes:
    """Base64 again, in the C or the perl manner, of changed content."""
    try:
        content = b64decode(field + b"=" * (-len(field) % 4))
    except ValueError:
        return scramble(field, _MOST)
    text = b64encode(scramble(content, 300))
    return text if not source.randrange(4) else text.rstrip(b"=")


TARGET = Target(
    "plaintexts",
    "any plaintext is refused with SpaError, or what is read from it is written in its normal form",
    check,
    seeds,
    mutate,
    words=(*_FIELDS, b":", b"::", b"tcp/", b"udp/", b"0.0.0.0", b"2001:db8::1"),
    longest=_LONGEST,
)
