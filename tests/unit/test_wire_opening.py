"""Whole packets: the envelope, the MAC before everything, one spelling for one packet."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential
from watchword.model.reasons import Reason
from watchword.wire.spa import digests, mac, rijndael
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Bunch, Lock, flaw, unseal
from watchword.wire.spa.sealing import packet_digest, plaintext_digest, seal

MESSAGE = Message(
    "1234567890123456", "alice", 1700000000, "3.0.0", MessageType.ACCESS, "192.0.2.10,tcp/22"
)
PLAIN = Credential(Secret(b"a key of thirty-two bytes, truly"))
CREDENTIAL = replace(PLAIN, mac_key=Secret(b"the key of the MAC"))
SALT = bytes(range(8))
PAYLOAD = seal(MESSAGE, CREDENTIAL, salt=SALT)
WITHOUT_MAC = seal(MESSAGE, PLAIN, salt=SALT)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def refusal(payload: bytes, credential: Credential) -> SpaError:
    with pytest.raises(SpaError) as refused:
        unseal(payload, Lock(credential))
    return refused.value


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, Reason.LENGTH), (1, Reason.LENGTH), (139, Reason.LENGTH), (140, None), (1499, None),
        (1500, None), (1501, Reason.LENGTH), (65507, Reason.LENGTH),
    ],
)  # fmt: skip
def test_only_140_to_1500_bytes_are_looked_at(length: int, expected: Reason | None) -> None:
    assert flaw(b"A" * length) is expected


@pytest.mark.parametrize("octet", range(256))
def test_every_byte_of_an_envelope_is_from_the_alphabet(octet: int) -> None:
    expected = None if chr(octet) in ALPHABET else Reason.ALPHABET
    for place in (0, 70, 139):
        payload = bytearray(b"A" * 140)
        payload[place] = octet
        assert flaw(bytes(payload)) is expected


def test_a_prefix_that_senders_cut_off_may_not_be_there() -> None:
    assert flaw(b"U2FsdGVkX1" + PAYLOAD) is Reason.PREFIX
    assert flaw(b"U2FsdGVkX" + b"A" * 140) is None
    assert flaw(b"hQ" + b"A" * 398) is None
    assert flaw(b"hQ" + b"A" * 399) is Reason.PREFIX


def test_a_packet_begins_with_one_of_four_characters() -> None:
    first = {seal(MESSAGE, CREDENTIAL, salt=bytes([n]) + SALT[1:])[:1] for n in range(0, 256, 16)}
    assert first == {b"8", b"9", b"+", b"/"}


def test_nothing_on_the_wire_gives_the_format_away() -> None:
    for payload in (PAYLOAD, WITHOUT_MAC):
        assert not payload.startswith(b"U2FsdGVkX1")
        assert b"=" not in payload
        assert flaw(payload) is None


@pytest.mark.parametrize("kind", Digest)
def test_every_kind_of_mac_is_verified(kind: Digest) -> None:
    credential = replace(CREDENTIAL, mac_digest=kind)
    payload = seal(MESSAGE, credential, salt=SALT)
    lock = Lock(credential)
    assert lock.fits(payload)
    assert unseal(payload, lock).message == MESSAGE
    assert not Lock(replace(credential, mac_key=Secret(b"another key"))).fits(payload)


@pytest.mark.parametrize("mode", [mode for mode in CipherMode if mode != CipherMode.ASYMMETRIC])
def test_every_mode_is_read_back(mode: CipherMode) -> None:
    credential = replace(CREDENTIAL, mode=mode)
    assert unseal(seal(MESSAGE, credential, salt=SALT), Lock(credential)).message == MESSAGE


def test_openpgp_is_no_rijndael_mode() -> None:
    asymmetric = replace(PLAIN, mode=CipherMode.ASYMMETRIC)
    assert refusal(WITHOUT_MAC, asymmetric).code == Code.DECRYPTION_FAILURE
    with pytest.raises(SpaError):
        seal(MESSAGE, asymmetric, salt=SALT)


def test_no_changed_byte_behind_a_mac_fits() -> None:
    lock = Lock(CREDENTIAL)
    assert lock.fits(PAYLOAD)
    for place in range(len(PAYLOAD)):
        for octet in (PAYLOAD[place] ^ 1, ord("="), ord("A") if PAYLOAD[place] != 65 else 66):
            changed = PAYLOAD[:place] + bytes([octet]) + PAYLOAD[place + 1 :]
            assert not lock.fits(changed)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"A", PAYLOAD[:-1], PAYLOAD + b"=", PAYLOAD + b"\n", PAYLOAD + b"A", PAYLOAD[1:],
        b"U2FsdGVkX1" + PAYLOAD, PAYLOAD[-43:], b"\0" * 200, WITHOUT_MAC,
    ],
)  # fmt: skip
def test_what_is_not_the_packet_does_not_fit(payload: bytes) -> None:
    assert not Lock(CREDENTIAL).fits(payload)


def test_an_openssl_that_has_md5_for_no_security_still_derives_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(octets: bytes, *, usedforsecurity: bool = True) -> object:
        if usedforsecurity:
            raise ValueError("[digital envelope routines] unsupported")
        return real(octets, usedforsecurity=False)

    real = hashlib.md5
    monkeypatch.setitem(digests._FUNCTIONS, Digest.MD5, refuses)
    assert unseal(PAYLOAD, Lock(CREDENTIAL)).message == MESSAGE


def test_nothing_is_decrypted_unless_the_mac_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    decrypted: list[bytes] = []
    real = rijndael.decrypt

    def counting(container: bytes, key: Secret, mode: CipherMode) -> rijndael.Opened:
        decrypted.append(container)
        return real(container, key, mode)

    monkeypatch.setattr(rijndael, "decrypt", counting)
    stranger = replace(CREDENTIAL, mac_key=Secret(b"a stranger's key"))

    refused = refusal(seal(MESSAGE, stranger, salt=SALT), CREDENTIAL)
    assert (refused.code, refused.reason) == (75, Reason.MAC_MISMATCH)
    assert not decrypted

    unseal(PAYLOAD, Lock(CREDENTIAL))
    assert len(decrypted) == 1


def test_keys_count_in_full_unless_the_mode_is_legacy() -> None:
    long = Credential(Secret(b"sixteen bytes...and more"))
    same_start = Credential(Secret(b"sixteen bytes...and less"))
    payload = seal(MESSAGE, long, salt=SALT)
    assert refusal(payload, same_start).code == Code.DECRYPTION_FAILURE
    assert refusal(payload, Credential(Secret(b"sixteen bytes...")))


def test_legacy_is_no_fallback() -> None:
    legacy = Credential(Secret(b"short"), CipherMode.LEGACY)
    payload = seal(MESSAGE, legacy, salt=SALT)
    assert unseal(payload, Lock(legacy)).message == MESSAGE
    assert refusal(payload, Credential(Secret(b"short"))).code == Code.DECRYPTION_FAILURE


@pytest.mark.parametrize(
    "spelling",
    [
        WITHOUT_MAC + b"=",
        WITHOUT_MAC + b"=AAAA",
        b"U2FsdGVkX1" + WITHOUT_MAC,
        bytes([WITHOUT_MAC[0] & 0x4F]) + WITHOUT_MAC[1:],
    ],
)
def test_another_spelling_of_a_packet_is_not_accepted(spelling: bytes) -> None:
    assert refusal(spelling, PLAIN)


@pytest.mark.parametrize("mode", [CipherMode.CBC, CipherMode.CTR])
def test_no_changed_character_of_a_packet_without_mac_is_accepted(mode: CipherMode) -> None:
    credential = replace(PLAIN, mode=mode)
    payload = seal(MESSAGE, credential, salt=SALT)
    lock = Lock(credential)
    accepted = []
    for place in range(len(payload)):
        for letter in ALPHABET.encode():
            changed = payload[:place] + bytes([letter]) + payload[place + 1 :]
            with contextlib.suppress(SpaError):
                lock.open(changed)
                accepted.append(changed)
    assert accepted == [payload] * len(payload)


def test_unused_bits_of_the_last_character_are_zero() -> None:
    text = b"U2FsdGVkX1" + WITHOUT_MAC
    assert len(text) % 4, "this packet has no unused bits"
    last = ALPHABET.index(chr(WITHOUT_MAC[-1]))
    respelled = WITHOUT_MAC[:-1] + ALPHABET[last + 1].encode()
    padding = "=" * (-len(text) % 4)
    assert base64.b64decode(b"U2FsdGVkX1" + respelled + padding.encode()) == base64.b64decode(
        text + padding.encode()
    )
    assert refusal(respelled, PLAIN).code == Code.INVALID_DATA_ENCODE_NOTBASE64


def test_a_packet_without_its_last_block_of_padding_is_another_spelling() -> None:
    for letters in range(1, 17):  # one of these fills its blocks
        payload = seal(replace(MESSAGE, user="u" * letters), PLAIN, salt=SALT)
        container = base64.b64decode(b"U2FsdGVkX1" + payload + b"==")
        if len(unseal(payload, Lock(PLAIN)).plaintext) % 16 == 0:
            break
    else:
        pytest.fail("no text is a whole number of blocks")
    cut = base64.b64encode(container[:-16]).rstrip(b"=")[10:]
    assert refusal(cut, PLAIN).detail.endswith("the plaintext is not padded")


def test_a_bunch_finds_each_lock_that_fits_in_order() -> None:
    other = Lock(replace(CREDENTIAL, mac_key=Secret(b"other")))
    longer = Lock(replace(CREDENTIAL, mac_digest=Digest.SHA512))
    fitting = Lock(CREDENTIAL)
    locks = [other, longer, fitting, other, longer, fitting]
    bunch = Bunch(locks)

    assert bunch.first_fit(PAYLOAD, 0) == 2
    assert bunch.first_fit(PAYLOAD, 2) == 2
    assert bunch.first_fit(PAYLOAD, 3) == 5
    assert bunch.first_fit(PAYLOAD, 6) == 6
    assert bunch.first_fit(PAYLOAD[:-1] + b"=", 0) == 6
    assert Bunch([]).first_fit(PAYLOAD, 0) == 0


def test_a_lock_without_mac_is_one_that_fits() -> None:
    other = Lock(replace(CREDENTIAL, mac_key=Secret(b"other")))
    bunch = Bunch([other, Lock(PLAIN), Lock(PLAIN), other])
    assert [bunch.first_fit(PAYLOAD, start) for start in range(5)] == [1, 1, 2, 4, 4]


def test_a_tail_is_decoded_once_for_each_length_of_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def counting(payload: bytes, chars: int) -> tuple[bytes, bytes]:
        lengths.append(chars)
        return mac.split(payload, chars)

    monkeypatch.setattr("watchword.wire.spa.bunch.split", counting)
    sha256 = Lock(replace(CREDENTIAL, mac_key=Secret(b"other")))
    sha512 = Lock(replace(CREDENTIAL, mac_digest=Digest.SHA512))
    Bunch([sha256, sha512] * 50).first_fit(PAYLOAD, 0)
    assert sorted(lengths) == [43, 86]


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        (Credential(Secret(b"k" * 33)), 95),
        (Credential(Secret(b"k"), mac_key=Secret(b"")), 109),
        (Credential(Secret(b"k"), mac_key=Secret(b"h" * 137)), 109),
    ],
)
def test_keys_out_of_bounds_make_no_lock(credential: Credential, code: int) -> None:
    with pytest.raises(SpaError) as refused:
        Lock(credential)
    assert refused.value.code == code


def test_a_salt_is_eight_bytes() -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        seal(MESSAGE, PLAIN, salt=b"")


def test_what_would_be_taken_for_openpgp_is_not_sent() -> None:
    asked = "1.2.3.4," + ",".join(["tcp/60000"] * 18)
    with pytest.raises(SpaError, match="too long for an encrypted packet"):
        seal(replace(MESSAGE, user="u" * 48, text=asked, server_auth="a" * 63), PLAIN, salt=SALT)
    longest = replace(MESSAGE, text="1.2.3.4," + ",".join(["tcp/60000"] * 11))
    assert len(seal(longest, CREDENTIAL, salt=SALT)) == 396
    with pytest.raises(SpaError):
        seal(replace(longest, text=longest.text + ",tcp/1,tcp/1"), CREDENTIAL, salt=SALT)


@pytest.mark.parametrize(("credential", "longest"), [(PLAIN, 287), (CREDENTIAL, 271)])
def test_a_command_may_be_as_long_as_the_library_takes(
    credential: Credential, longest: int
) -> None:
    command = replace(MESSAGE, type=MessageType.COMMAND, text="1.2.3.4," + "x" * 112)
    auths = (replace(command, server_auth="a" * length) for length in range(1, 64))
    payloads = []
    for message in auths:
        with contextlib.suppress(SpaError):
            payloads.append(seal(message, credential, salt=SALT))
    lock = Lock(credential)
    assert max(len(unseal(payload, lock).plaintext) for payload in payloads) == longest


def test_digests_for_the_memory_are_raw_sha256() -> None:
    opened = unseal(WITHOUT_MAC, Lock(PLAIN))
    assert len(packet_digest(WITHOUT_MAC)) == len(plaintext_digest(opened.plaintext)) == 32
    again = unseal(seal(MESSAGE, PLAIN, salt=b"otherslt"), Lock(PLAIN))
    assert plaintext_digest(again.plaintext) == plaintext_digest(opened.plaintext)


def test_no_key_and_no_payload_is_in_a_message() -> None:
    for refused in (refusal(PAYLOAD, PLAIN), refusal(WITHOUT_MAC, CREDENTIAL)):
        assert "key of" not in repr(refused) + str(refused)
        assert PAYLOAD[:12].decode() not in repr(refused)
    assert "thirty-two" not in repr(CREDENTIAL) + repr(Lock(CREDENTIAL))


@pytest.mark.parametrize(
    "build",
    [
        Credential,
        lambda key: Credential(Secret(b"k"), mac_key=key),
        lambda key: OpenPgpCredential(mac_key=key),
        lambda key: Keyring(passphrase=key),
    ],
    ids=["key", "mac_key", "OpenPGP mac_key", "passphrase"],
)
def test_bytes_that_would_show_themselves_are_not_taken_for_a_key(
    build: Callable[[Any], object],
) -> None:
    with pytest.raises(TypeError, match="a key is given as a Secret"):
        build(b"a key in the open")
    with pytest.raises(TypeError, match="a secret is bytes"):
        Secret("a key in the open")  # type: ignore[arg-type]
    assert "in the open" not in repr(build(Secret(b"a key in the open")))
