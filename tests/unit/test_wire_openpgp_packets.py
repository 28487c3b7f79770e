"""What is worth giving to gpg, told from the outermost packets of a message alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpg_homes import CONTENT, message_of
from watchword.wire.spa.openpgp_packets import is_encrypted_message

KEY = b"\x85\x01\x0c" + bytes(268)
DATA = b"\xd2\x40" + bytes(64)
SOUND = [
    pytest.param(KEY + DATA, id="one recipient"),
    pytest.param(KEY + KEY + DATA, id="two recipients"),
    pytest.param(b"\xc1\xff\x00\x00\x01\x0c" + bytes(268) + DATA, id="new header of a key"),
    pytest.param(b"\xc1\xc0\x4c" + bytes(268) + DATA, id="length in two bytes"),
    pytest.param(KEY + b"\xd2\xe9" + bytes(512) + b"\x05" + bytes(5), id="partial lengths"),
    pytest.param(KEY + b"\xd4\x40" + bytes(64), id="authenticated (GnuPG 2.3)"),
    pytest.param(KEY + b"\xd2\xff\x00\x00\x00\x40" + bytes(64), id="five bytes"),
]
UNSOUND = [
    pytest.param(b"", id="nothing"),
    pytest.param(DATA, id="no key"),
    pytest.param(KEY, id="no data"),
    pytest.param(KEY + DATA + b"\0", id="something behind it"),
    pytest.param(KEY + DATA + DATA, id="twice"),
    pytest.param(KEY + DATA[:-1], id="cut short"),
    pytest.param(KEY + b"\xc8\x40" + bytes(64), id="compressed, not encrypted"),
    pytest.param(KEY + b"\xcb\x40" + bytes(64), id="literal, not encrypted"),
    pytest.param(KEY + b"\xc9\x40" + bytes(64), id="encrypted without protection"),
    pytest.param(KEY + b"\xc3\x04" + bytes(4) + DATA, id="for a passphrase as well"),
    pytest.param(KEY + b"\xca\x03PGP" + DATA, id="a marker in between"),
    pytest.param(KEY + b"\xd2\xe9" + bytes(512), id="a last part that is missing"),
    pytest.param(b"\x87" + bytes(600), id="a key without a length"),
    pytest.param(KEY * 17 + DATA, id="more keys than a packet holds"),
]


@pytest.mark.parametrize("message", SOUND)
def test_session_keys_and_one_encrypted_part_are_a_message(message: bytes) -> None:
    assert is_encrypted_message(message)


@pytest.mark.parametrize("message", UNSOUND)
def test_everything_else_is_none(message: bytes) -> None:
    assert not is_encrypted_message(message)


@pytest.mark.parametrize("vector", CONTENT["vectors"], ids=lambda each: str(each["id"]))
def test_what_gpg_made_is_a_message_and_half_of_it_is_none(vector: dict[str, str]) -> None:
    message = message_of(vector)
    assert is_encrypted_message(message)
    assert not is_encrypted_message(message[: len(message) // 2])
    assert not is_encrypted_message(message + b"\0")


@given(st.binary(max_size=1600) | st.binary(max_size=300).map(lambda octets: KEY + octets))
def test_any_bytes_have_an_answer(octets: bytes) -> None:
    assert is_encrypted_message(octets) in (True, False)
