"""What is said of a packet without a key is true of it; with one, everything but secrets is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchword.conformance.golden import (
    Vector,
    all_of_kind,
    credential_of,
    load,
    message_of,
    payload_of,
)
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.reasons import Reason
from watchword.wire.spa.inspecting import Encryption, encryption_of, inspect
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock
from watchword.wire.spa.sealing import seal

POSITIVE = all_of_kind("positive")
STRICT = [vector for vector in POSITIVE if not vector.get("lenient")]
CREDENTIAL = Credential(Secret(b"a key of thirty-two bytes, truly"), mac_key=Secret(b"MAC key"))
MESSAGE = Message(
    "1234567890123456", "alice", 1700000000, "3.0.0", MessageType.ACCESS, "192.0.2.10,tcp/22"
)


def by_id(vector: Vector) -> str:
    return str(vector["id"])


@pytest.mark.parametrize("vector", STRICT, ids=by_id)
def test_how_a_packet_was_made_is_among_the_layouts(vector: Vector) -> None:
    payload = payload_of(vector)
    found = inspect(payload)

    assert (found.length, found.flaw, found.has_prefix) == (len(payload), None, False)
    chars = len(vector["hmac"]["value"]) if vector["hmac"] else 0
    [layout] = [each for each in found.layouts if each.mac_chars == chars]
    assert layout.encryption is Encryption.RIJNDAEL
    assert layout.encrypted_bytes == (len(vector["plaintext"]) // 16 + 1) * 16
    assert layout.canonical
    assert found.is_canonical
    if vector["hmac"]:
        assert Digest(vector["hmac"]["type"]) in layout.macs


@pytest.mark.parametrize("vector", POSITIVE, ids=by_id)
def test_with_a_key_every_field_is_there(vector: Vector) -> None:
    lock = LenientLock(credential_of(vector["encryption"], vector["hmac"]))
    found = inspect(payload_of(vector), lock)
    assert found.refused is None
    assert found.inside
    wanted = message_of(vector)
    assert found.inside.message == wanted

    texts = dict(found.inside.texts())
    assert texts["random"] == wanted.random
    assert texts["type"] == f"{int(wanted.type)} ({wanted.type.display})"
    assert ("nat" in texts) == (wanted.nat is not None)
    assert ("seconds" in texts) == wanted.type.has_timeout
    assert (found.inside.command is None) == bool(found.inside.services)
    if wanted.nat is not None:
        assert found.inside.target
        host, port = found.inside.target
        assert wanted.nat.startswith(f"{host},")
        assert int(wanted.nat.rpartition(",")[2]) == port


LOOKS = {
    "len-prefix-kept": (True, False),
    "len-prefix-kept-hmac": (True, False),
    "perl-salted": (True, False),
    "len-b64-pad1": (False, False),
    "len-b64-pad-tail": (False, False),
    "len-first-char": (False, False),
}
"""Prefix on the wire; canonical in some layout."""


@pytest.mark.parametrize("name", LOOKS)
def test_odd_spelling_is_seen_without_a_key(name: str) -> None:
    [vector] = [each for each in POSITIVE if each["id"] == name]
    found = inspect(payload_of(vector))
    chars = len(vector["hmac"]["value"]) if vector["hmac"] else 0
    [layout] = [each for each in found.layouts if each.mac_chars == chars]
    assert (found.has_prefix, layout.canonical) == LOOKS[name]
    assert "not canonical" in str(found)


@pytest.mark.parametrize(
    ("length", "encryption"),
    [
        (0, Encryption.UNKNOWN), (35, Encryption.UNKNOWN), (36, Encryption.RIJNDAEL),
        (399, Encryption.RIJNDAEL), (400, Encryption.OPENPGP), (1499, Encryption.OPENPGP),
        (1500, Encryption.UNKNOWN),
    ],
)  # fmt: skip
def test_the_length_says_what_a_text_is_taken_for(length: int, encryption: Encryption) -> None:
    assert encryption_of(length) is encryption
    assert inspect(b"A" * length).encryption is encryption


@pytest.mark.parametrize(
    ("body", "chars", "expected"),
    [
        (396, 0, Encryption.RIJNDAEL), (396, 43, None), (374, 43, Encryption.RIJNDAEL),
        (397, 43, None), (398, 43, Encryption.OPENPGP), (399, 0, None),
        (400, 0, Encryption.OPENPGP),
    ],
)  # fmt: skip
def test_the_prefix_counts_where_a_mac_was_cut_off(
    body: int, chars: int, expected: Encryption | None
) -> None:
    """Of text that may be long enough for OpenPGP (chapter 9)."""
    payload = b"9" + b"A" * (body - 1 + chars)
    found = {each.mac_chars: each.encryption for each in inspect(payload).layouts}
    assert found.get(chars) is expected


@pytest.mark.parametrize("vector", load("gpg"), ids=by_id)
def test_an_openpgp_packet_is_told_by_its_length(vector: Vector) -> None:
    payload = payload_of(vector)
    found = inspect(payload)
    assert found.encryption is (Encryption.RIJNDAEL if len(payload) < 400 else Encryption.OPENPGP)
    assert any(layout.encryption is Encryption.OPENPGP for layout in found.layouts) == (
        len(payload) >= 400
    )


def test_what_no_sender_makes_has_no_layout() -> None:
    for payload in (b"", b"A" * 36, b"A" * 2000, b"!" * 161, b"8" * 141, b"\xff" * 200):
        assert inspect(payload).layouts == ()
    assert inspect(b"!" * 161).flaw is Reason.ALPHABET
    assert "no SPA packet: alphabet" in str(inspect(b"!" * 161))


def test_a_lock_tells_which_layout_it_is() -> None:
    payload = seal(MESSAGE, CREDENTIAL, salt=b"saltsalt")
    assert {0, 43, 64} <= {layout.mac_chars for layout in inspect(payload).layouts}
    assert [layout.mac_chars for layout in inspect(payload, Lock(CREDENTIAL)).layouts] == [43]


def test_a_lock_that_does_not_fit_says_so_and_nothing_is_raised() -> None:
    payload = seal(MESSAGE, CREDENTIAL, salt=b"saltsalt")
    other = replace(CREDENTIAL, mac_key=Secret(b"other"))
    found = inspect(payload, Lock(other))
    assert found.inside is None
    assert found.refused
    assert found.refused.reason is Reason.MAC_MISMATCH
    assert str(found).splitlines()[-1] == (
        "not opened: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL, hmac-mismatch"
    )


def test_no_secret_and_no_control_character_is_in_the_text() -> None:
    secretive = replace(
        MESSAGE,
        type=MessageType.COMMAND,
        text="192.0.2.10,echo \x1b[31m\n\x7f\udcff é",
        server_auth="crypt,open sesame",
    )
    credential = Credential(Secret(b"a very secret key"), mac_key=Secret(b"another one"))
    payload = seal(secretive, credential, salt=b"saltsalt")
    shown = str(inspect(payload, Lock(credential)))

    assert "server_auth: given" in shown
    assert "sesame" not in shown
    assert "secret" not in shown
    assert payload[-43:].decode() not in shown
    assert all(line.isprintable() for line in shown.splitlines())
    assert "message: 192.0.2.10,echo \\x1b[31m\\n\\x7f\\udcff é" in shown.splitlines()


PLAIN = replace(CREDENTIAL, mac_key=None)
PACKETS = [seal(MESSAGE, each, salt=b"saltsalt") for each in (CREDENTIAL, PLAIN)]
LOCKS = [
    None, Lock(CREDENTIAL), Lock(PLAIN), LenientLock(CREDENTIAL), LenientLock(PLAIN),
    Lock(Credential(Secret(b""), CipherMode.CTR)),
]  # fmt: skip
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


@settings(deadline=None)
@given(
    st.binary(max_size=1600)
    | st.lists(st.sampled_from(BASE64), max_size=1600).map(bytes)
    | st.builds(lambda one, end: one + end, st.sampled_from(PACKETS), st.binary(max_size=3)),
    st.sampled_from(LOCKS),
)
@example(b"", None)
@example(b"=" * 200, None)
@example(b"A" * 70000, None)
@example(b"A" * 99 + b"=\xff" * 20, None)
@example(b"U2FsdGVkX1" * 20, Lock(PLAIN))
def test_nothing_is_raised_whatever_the_bytes(payload: bytes, lock: Lock | None) -> None:
    found = inspect(payload, lock)
    assert str(found).startswith(f"{len(payload)} bytes")
    assert (found.inside is None) == (lock is None or found.refused is not None)
    if found.inside:
        assert found.layouts
