"""What holds for every packet, whoever made it."""

from __future__ import annotations

import base64
import contextlib
from dataclasses import replace

from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa import base64text, leniency, rijndael
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Bunch, Lock, flaw, unseal
from watchword.wire.spa.sealing import packet_digest, plaintext_digest, seal

USER_LETTERS = " !#$%&'()-.0123456789@ABCXYZ^_`abcxyz{}~"
SALT = b"saltsalt"
BASE64 = base64text.ALPHABET

ports = st.integers(1, 65535)
services = st.builds("{}/{}".format, st.sampled_from(["tcp", "udp"]), ports)
callers = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6, network="2001:db8::/32").map(str)
access_texts = st.builds(
    lambda who, what: ",".join([who, *what]), callers, st.lists(services, min_size=1, max_size=4)
)
command_texts = st.builds(
    lambda who, what: who + "," + what.decode("utf-8", "surrogateescape"),
    callers,
    st.binary(min_size=1, max_size=60).filter(lambda octets: b"\0" not in octets),
)
nats = st.builds(
    "{},{}".format,
    st.ip_addresses(v=4)
    | st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5})?\.?", fullmatch=True),
    ports,
)
auths = st.none() | st.text(min_size=1, max_size=8).filter(
    lambda text: "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Valid messages as they are after opening: the type and the timeout agree."""
    kind = draw(st.sampled_from(MessageType))
    return Message(
        random=draw(st.from_regex(r"[0-9]{16}", fullmatch=True)),
        user=draw(st.text(USER_LETTERS, min_size=1, max_size=12)),
        sent_at=draw(st.integers(0, 10**12 - 1)),
        version=draw(st.sampled_from(["3.0.0", "2.0.2", "1.9.12", "9"])),
        type=kind,
        text=draw(command_texts if kind is MessageType.COMMAND else access_texts),
        nat=draw(nats) if kind.has_nat else None,
        server_auth=draw(auths),
        seconds=draw(st.integers(1, 65536)) if kind.has_timeout else 0,
        digest=draw(st.sampled_from([Digest.MD5, Digest.SHA1, Digest.SHA256, Digest.SHA3_256])),
    )


credentials = st.builds(
    Credential,
    key=st.binary(max_size=32).map(Secret),
    mode=st.sampled_from([mode for mode in CipherMode if mode is not CipherMode.ASYMMETRIC]),
    mac_key=st.none() | st.binary(min_size=1, max_size=136).map(Secret),
    mac_digest=st.sampled_from(Digest),
)
salts = st.binary(min_size=8, max_size=8)

MESSAGE = Message(
    "1234567890123456", "alice", 1700000000, "3.0.0", MessageType.ACCESS, "192.0.2.10,tcp/22"
)
PLAIN = Credential(Secret(b"a key of thirty-two bytes, truly"))
CREDENTIAL = replace(PLAIN, mac_key=Secret(b"the key of the MAC"))
PAYLOAD = seal(MESSAGE, CREDENTIAL, salt=SALT)
WITHOUT_MAC = seal(MESSAGE, PLAIN, salt=SALT)
PLAINTEXT = unseal(WITHOUT_MAC, Lock(PLAIN)).plaintext

texts = st.lists(st.sampled_from(list(BASE64 + b"=")), max_size=600).map(bytes)


@given(messages(), credentials, salts)
def test_what_is_sealed_is_opened(message: Message, credential: Credential, salt: bytes) -> None:
    try:
        payload = seal(message, credential, salt=salt)
    except SpaError as error:
        if error.code is not Code.INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL:
            raise
        reject()
    lock = Lock(credential)
    assert flaw(payload) is None or len(payload) < 140
    assert lock.fits(payload)
    assert lock.open(payload).message == message
    assert unseal(payload, lock).message == message


@given(st.binary(max_size=1600) | texts, st.sampled_from([PLAIN, CREDENTIAL]))
@example(b"", CREDENTIAL)
@example(b"A" * 42, CREDENTIAL)
@example(b"=" * 200, PLAIN)
@example(b"U2FsdGVkX1" * 20, PLAIN)
@example(b"A" * 65507, PLAIN)
def test_any_bytes_are_a_value_or_the_one_error(payload: bytes, credential: Credential) -> None:
    lock = Lock(credential)
    flaw(payload)
    assert lock.fits(payload) == (Bunch([lock]).first_fit(payload, 0) == 0)
    for look in (lock.open, lambda octets: unseal(octets, lock)):
        with contextlib.suppress(SpaError):
            look(payload)


@given(st.binary(max_size=400))
def test_any_decrypted_bytes_are_a_message_or_the_one_error(plaintext: bytes) -> None:
    for reading in (read, leniency.read):
        with contextlib.suppress(SpaError):
            reading(plaintext)


@given(st.binary(max_size=1600) | texts, st.sampled_from([PLAIN, CREDENTIAL]))
@example(b"U2FsdGVkX1", CREDENTIAL)
@example(b"U2FsdGVkX1" * 5, CREDENTIAL)
@example(b"A" * 65507, PLAIN)
def test_any_bytes_are_a_value_or_the_one_error_to_a_lenient_lock(
    payload: bytes, credential: Credential
) -> None:
    lock = LenientLock(credential)
    lock.fits(payload)
    for look in (lock.open, lambda octets: unseal(octets, lock)):
        with contextlib.suppress(SpaError):
            look(payload)


@given(messages(), credentials, salts)
def test_what_a_strict_lock_opens_a_lenient_one_opens_as_far_as_libfko_reads(
    message: Message, credential: Credential, salt: bytes
) -> None:
    try:
        payload = seal(message, credential, salt=salt)
    except SpaError:
        reject()
    lenient = LenientLock(credential)
    beyond_2038 = (message.sent_at + 2**31) % 2**32 - 2**31 != message.sent_at
    if ":" in message.text.partition(",")[0] or beyond_2038:
        with contextlib.suppress(SpaError):
            assert unseal(payload, lenient).message != message
    else:
        assert unseal(payload, lenient).message == message


def mutated(data: st.DataObject, octets: bytes) -> bytes:
    """Some bytes replaced, inserted, or cut out."""
    result = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(result)))
        cut = data.draw(st.integers(0, 3))
        pieces = st.binary(max_size=3) | st.sampled_from(
            [b":", b"::", b"\0", b"=", b"-1", b"9" * 9]
        )
        result[start : start + cut] = data.draw(pieces)
    return bytes(result)


@settings(max_examples=1000)
@given(st.data(), st.booleans())
def test_a_mutated_text_behind_valid_keys_raises_only_the_one_error(
    data: st.DataObject, repaired: bool
) -> None:
    """What somebody who has the keys can reach; with ``repaired``, past the digest."""
    encoded = mutated(data, PLAINTEXT.rpartition(b":")[0])
    plaintext = encoded + b":" + digest_text(Digest.SHA256, encoded if repaired else b"")
    container = rijndael.encrypt(plaintext, CREDENTIAL.key, CipherMode.CBC, SALT)
    body = base64text.encode(container)[10:]
    assert CREDENTIAL.mac_key
    payload = body + base64text.encode(Mac(CREDENTIAL.mac_key, Digest.SHA256).of(body))
    lock = Lock(CREDENTIAL)
    assert lock.fits(payload)
    with contextlib.suppress(SpaError):
        message = lock.open(payload).message
        assert repaired
        assert read(plaintext) == message
    with contextlib.suppress(SpaError):
        LenientLock(CREDENTIAL).open(payload)
        assert repaired


@given(st.data())
def test_no_other_text_fits_the_mac(data: st.DataObject) -> None:
    changed = mutated(data, PAYLOAD)
    assume(changed != PAYLOAD)
    assert not Lock(CREDENTIAL).fits(changed)
    assert Bunch([Lock(CREDENTIAL)]).first_fit(changed, 0) == 1


@st.composite
def respelled(draw: st.DrawFn) -> bytes:
    """Texts that decode, for somebody who is not strict, to nearly the same bytes."""
    text = bytearray(WITHOUT_MAC)
    place = draw(st.sampled_from([0, 1, len(text) - 1, draw(st.integers(0, len(text) - 1))]))
    text[place] = draw(st.sampled_from(BASE64))
    prefix = draw(st.sampled_from([b"", b"", b"U2FsdGVkX1"]))
    suffix = draw(st.sampled_from([b"", b"", b"=", b"==", b"=AAAA", b"A", b"\n", b"\0"]))
    return prefix + bytes(text) + suffix


@given(respelled())
@example(WITHOUT_MAC)
def test_a_packet_without_mac_has_one_accepted_spelling(spelling: bytes) -> None:
    try:
        opened = Lock(PLAIN).open(spelling)
    except SpaError:
        assert spelling != WITHOUT_MAC
    else:
        assert spelling == WITHOUT_MAC
        assert opened.plaintext == PLAINTEXT


@given(messages(), st.sampled_from(["CTR", "ECB", "CFB", "OFB", "CBC"]), st.data())
def test_an_altered_packet_without_mac_never_says_anything_new(
    message: Message, mode: str, data: st.DataObject
) -> None:
    """Modes without feedback are malleable; the inner digest and strict spelling hold."""
    credential = replace(PLAIN, mode=CipherMode[mode])
    try:
        payload = seal(message, credential, salt=SALT)
    except SpaError:
        reject()
    lock = Lock(credential)
    genuine = lock.open(payload)
    altered = mutated(data, payload)
    with contextlib.suppress(SpaError):
        opened = lock.open(altered)
        assert plaintext_digest(opened.plaintext) == plaintext_digest(genuine.plaintext)
        assert packet_digest(altered) == packet_digest(payload)


@given(st.binary(max_size=64))
def test_base64_text_is_read_back_and_has_one_spelling(octets: bytes) -> None:
    text = base64text.encode(octets)
    assert text == base64.b64encode(octets).rstrip(b"=")
    assert base64text.decode(text) == octets


@given(st.text("AQgw/+=\n*", max_size=9).map(str.encode))
def test_canonical_reading_is_a_part_of_lenient_reading(text: bytes) -> None:
    try:
        octets = base64text.decode(text)
    except ValueError:
        return
    assert base64text.decode_leniently(text) == octets
    assert base64text.encode(octets) == text


@given(st.binary(max_size=48), st.binary(max_size=32).map(Secret), salts)
def test_padding_is_taken_off_in_every_mode(plaintext: bytes, key: Secret, salt: bytes) -> None:
    assume(plaintext)
    for mode in CipherMode:
        if mode is not CipherMode.ASYMMETRIC:
            container = rijndael.encrypt(plaintext, key, mode, salt)
            assert rijndael.decrypt(container, key, mode) == (plaintext, True)
