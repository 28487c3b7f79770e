"""What a usable key is (client, section 8)."""

from __future__ import annotations

import pytest

from watchword.dialects.fwknop import client_keys, generated_keys
from watchword.dialects.fwknop.client_settings import KeyForm, KeyWord
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Digest

FILE = """\
# comment: no
; neither
192.0.2.1: first
 \t=192.0.2.1:= last one \t
192.0.2.10:other
host.example: with: colon\r
empty:
"""


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ("192.0.2.1", b"last one \t"),
        ("192.0.2.10", b"other"),
        ("host.example", b"with: colon"),
        ("empty", b""),
        ("192.0.2", None),
    ],
)
def test_a_key_file_names_servers_exactly_as_they_are_typed(server: str, key: bytes | None) -> None:
    assert client_keys.from_file(FILE, server) == key


def test_a_comment_in_a_key_file_names_no_server() -> None:
    assert client_keys.from_file("#host: a\n;host: b\n #host: c\n", "host") is None
    assert client_keys.from_file("#host: a\n", "#host") is None


def test_a_key_file_may_hold_any_bytes_but_not_too_many() -> None:
    assert client_keys.from_file("h: \udcff\n", "h") == b"\xff"
    assert client_keys.from_file(f"h:{'k' * 128}", "h") == b"k" * 128
    with pytest.raises(OperatorError, match="longer than 128 bytes"):
        client_keys.from_file(f"h:{'k' * 129}", "h")


@pytest.mark.parametrize(
    ("form", "text", "key"),
    [
        (KeyForm.TEXT, "k", b"k"),
        (KeyForm.TEXT, "schlüssel", "schlüssel".encode()),
        (KeyForm.TEXT, "k" * 200, b"k" * 128),
        (KeyForm.BASE64, "YWJj", b"abc"),
        (KeyForm.BASE64, "YWI=", b"ab"),
        (KeyForm.BASE64, "YWI", b"ab"),
    ],
)
def test_a_key_is_text_or_base64(form: KeyForm, text: str, key: bytes) -> None:
    assert client_keys.octets(KeyWord(form, text)) == key


@pytest.mark.parametrize(("text", "count"), [("A", 0), ("AAAA" * 43, 129)])
def test_a_base64_key_of_a_wrong_length_is_refused(text: str, count: int) -> None:
    with pytest.raises(OperatorError, match=rf"Invalid key length: '{count}', must be in \[1,128"):
        client_keys.octets(KeyWord(KeyForm.BASE64, text))


def test_an_encryption_key_has_1_to_32_bytes() -> None:
    assert client_keys.check_key(b"k" * 32, CipherMode.CBC) == b"k" * 32
    with pytest.raises(OperatorError, match="Error 95 - Invalid key length"):
        client_keys.check_key(b"k" * 33, CipherMode.CBC)
    with pytest.raises(OperatorError, match="encryption key is empty"):
        client_keys.check_key(b"", CipherMode.CBC)


def test_legacy_mode_uses_16_bytes() -> None:
    assert client_keys.check_key(b"k" * 40, CipherMode.LEGACY) == b"k" * 16


def test_an_hmac_key_is_there_and_is_another_one() -> None:
    assert client_keys.check_mac_key(b"m" * 128, b"k") == b"m" * 128
    for wrong in (b"", b"k", b"m" * 129):
        with pytest.raises(OperatorError):
            client_keys.check_mac_key(wrong, b"k")


@pytest.mark.parametrize("digest", Digest)
def test_new_hmac_keys_are_ones_that_every_client_takes(digest: Digest) -> None:
    assert 16 <= generated_keys.MAC_BYTES[digest] <= 128


def test_a_key_does_not_show_itself() -> None:
    assert "YWJj" not in repr(KeyWord(KeyForm.BASE64, "YWJj"))
