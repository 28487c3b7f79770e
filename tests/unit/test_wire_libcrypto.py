"""One packet is sealed by the libcrypto that is there anyway, or by ``cryptography``, alike."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import TypeAlias

import pytest

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa import libcrypto, rijndael
from watchword.wire.spa.ciphers import SCHEMES
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.mac import GPG_PREFIX, mac_of
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.sealing import seal

Opens: TypeAlias = Callable[[str], ctypes.CDLL]
KEY, IV = bytes(range(32)), bytes(range(16))
MESSAGE = Message(
    "1234567890123456", "alice", 1700000000, "3.0.0", MessageType.ACCESS, "192.0.2.10,tcp/22"
)
CREDENTIAL = Credential(Secret(b"a key of thirty-two bytes, truly"), mac_key=Secret(b"a MAC key"))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is looked for anew, and what is found is forgotten after the test."""
    monkeypatch.setattr(libcrypto, "_library", libcrypto._library.__wrapped__)


@pytest.mark.parametrize("blocks", range(1, 25))
def test_both_libraries_encipher_alike(blocks: int) -> None:
    text = bytes(each % 251 for each in range(16 * blocks))
    assert libcrypto.encrypt_cbc(KEY, IV, text) == SCHEMES[CipherMode.CBC].encrypt(KEY, IV, text)


@pytest.mark.parametrize("kind", Digest)
@pytest.mark.parametrize("length", [1, 63, 64, 65, 136])
def test_the_mac_of_one_packet_is_that_of_the_prepared_key(kind: Digest, length: int) -> None:
    key, body = Secret(bytes(range(length))), b"text of a packet" * 9
    assert mac_of(body, key, kind) == Mac(key, kind).of(body)
    assert mac_of(body, key, kind, GPG_PREFIX) == Mac(key, kind, GPG_PREFIX).of(body)


@pytest.mark.parametrize(
    ("key", "iv", "blocks"),
    [(KEY[:31], IV, 16), (KEY, IV[:15], 16), (KEY + b"x", IV, 16), (KEY, IV, 15)],
)
def test_nothing_is_handed_over_whose_end_would_be_passed(
    key: bytes, iv: bytes, blocks: int
) -> None:
    with pytest.raises(ValueError, match="32 bytes of key, 16 of IV, and whole blocks"):
        libcrypto.encrypt_cbc(key, iv, bytes(blocks))


def refusing(name: str) -> Opens:
    """Opens a library in which one function fails."""

    def opened(path: str) -> ctypes.CDLL:
        library = ctypes.CDLL(path)
        setattr(library, name, lambda *_: 0)
        return library

    return opened


def lying(path: str) -> ctypes.CDLL:
    """Opens a library that enciphers in another mode."""
    library = ctypes.CDLL(path)
    library.EVP_aes_256_cbc = library.EVP_aes_256_ctr  # type: ignore[attr-defined]
    return library


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "opens",
    [
        lying,
        *map(refusing, ("EVP_CIPHER_CTX_new", "EVP_EncryptInit_ex", "EVP_EncryptUpdate")),
    ],
)
def test_a_library_that_fails_or_does_something_else_is_left_to_cryptography(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = seal(MESSAGE, CREDENTIAL, salt=bytes(8))
    monkeypatch.setattr(libcrypto, "CDLL", opens)
    assert libcrypto.encrypt_cbc(KEY, IV, bytes(16)) is None
    assert seal(MESSAGE, CREDENTIAL, salt=bytes(8)) == usual


@pytest.mark.usefixtures("fresh")
def test_a_library_that_cannot_be_found_is_left_to_cryptography(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = seal(MESSAGE, CREDENTIAL, salt=bytes(8))
    for hashes in (None, sys, ctypes):  # no _hashlib; built in; a file that is no library
        monkeypatch.setitem(sys.modules, "_hashlib", hashes)
        assert libcrypto.encrypt_cbc(KEY, IV, bytes(16)) is None
        assert seal(MESSAGE, CREDENTIAL, salt=bytes(8)) == usual


def test_a_python_without_ctypes_seals_by_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = seal(MESSAGE, CREDENTIAL, salt=bytes(8))
    monkeypatch.setitem(sys.modules, "watchword.wire.spa.libcrypto", None)
    assert seal(MESSAGE, CREDENTIAL, salt=bytes(8)) == usual


def test_only_enciphering_in_one_mode_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def note(key: bytes, iv: bytes, blocks: bytes) -> None:
        asked.append(blocks)

    monkeypatch.setattr(libcrypto, "encrypt_cbc", note)
    for mode in CipherMode:
        if mode is CipherMode.ASYMMETRIC:
            with pytest.raises(SpaError, match="not a Rijndael mode"):
                rijndael.encrypt(b"text", CREDENTIAL.key, mode, bytes(8))
            continue
        container = rijndael.encrypt(b"text", CREDENTIAL.key, mode, bytes(8))
        assert rijndael.decrypt(container, CREDENTIAL.key, mode) == (b"text", True)
    assert len(asked) == 2  # CBC, and legacy, which is CBC under another key
