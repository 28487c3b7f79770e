"""Lengths and numbers that have broken decoders before, each around its boundary.

In here: what the golden vectors do not have. The fields one by one are in
test_wire_fields, whole packets in test_wire_opening.
"""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from tests.sealing import message, sealed
from tests.values import KEY, credential
from watchword.model.crypto import Credential, Digest
from watchword.wire.spa.checks import BadAddressError
from watchword.wire.spa.composing import compose
from watchword.wire.spa.digests import digest_text
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.fields import read
from watchword.wire.spa.grammar import parse_allow
from watchword.wire.spa.message import MessageType
from watchword.wire.spa.opening import Bunch, Lock, unseal

PLAIN = Credential(KEY)
ASKED = message(type=MessageType.TIMEOUT_ACCESS, seconds=60)


def refusal(payload: bytes, sealed_with: Credential) -> int:
    with pytest.raises(SpaError) as refused:
        unseal(payload, Lock(sealed_with))
    return refused.value.code


@pytest.mark.parametrize(
    ("size", "without_mac", "with_mac"),
    [
        (0, 67, 67), (1, 67, 67), (35, 67, 67), (36, 53, 74), (78, 53, 74), (79, 53, 75),
        (139, 53, 75), (140, 107, 75), (399, 53, 75), (400, 65, 75), (1499, 65, 75),
        (1500, 67, 67), (1501, 67, 67), (65507, 67, 67),
    ],
)  # fmt: skip
def test_every_length_of_a_payload_has_its_refusal(
    size: int, without_mac: int, with_mac: int
) -> None:
    payload = b"8" * size
    assert refusal(payload, PLAIN) == without_mac
    assert refusal(payload, credential()) == with_mac


def test_a_bunch_takes_any_length() -> None:
    locks = [Lock(replace(credential(), mac_digest=kind)) for kind in Digest]
    for size in (0, 1, 21, 22, 86, 87, 140, 1500, 65507):
        assert Bunch(locks).first_fit(b"8" * size) == len(locks)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_packet_that_was_cut_is_refused_whatever_is_left_of_its_last_group(cut: int) -> None:
    payload = sealed(sealed_with=PLAIN)
    assert refusal(payload[:-cut], PLAIN) == Code.INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL
    assert refusal(payload + b"A" * cut, PLAIN) in (
        Code.INVALID_DATA_ENCRYPT_CIPHERLEN_VALIDFAIL, Code.INVALID_DATA_ENCODE_NOTBASE64,
    )  # fmt: skip


def with_field(place: int, text: str) -> bytes:
    """The plaintext of ``ASKED`` with one field replaced, and the digest that belongs to it."""
    fields = compose(ASKED).rpartition(b":")[0].split(b":")
    fields[place] = text.encode("ascii")
    encoded = b":".join(fields)
    return encoded + b":" + digest_text(Digest.SHA256, encoded)


TIMESTAMP, TYPE, TIMEOUT = 2, 4, -1
TOO_BIG = [str(2**31), str(2**32 + 60), str(2**63), str(2**64 + 60), "9" * 40]
NO_NUMBER = ["+1", "-1", " 1", "1 ", "01", "1.0", "1e1", "0x1", "1_0", "", "-0", "a"]


@pytest.mark.parametrize("text", NO_NUMBER + TOO_BIG)
@pytest.mark.parametrize(
    ("place", "codes"), [(TIMESTAMP, {17, 18, 19}), (TYPE, {22, 23, 24}), (TIMEOUT, {39, 41, 42})]
)
def test_a_number_is_decimal_digits_in_its_range_and_wraps_round_nowhere(
    place: int, codes: set[int], text: str
) -> None:
    if place == TIMESTAMP and text in TOO_BIG[:2]:
        assert read(with_field(place, text)).sent_at == int(text)  # past 2038, and as it stands
        return
    with pytest.raises(SpaError) as refused:
        read(with_field(place, text))
    assert refused.value.code in codes


@pytest.mark.parametrize("place", range(7))
def test_no_field_may_hold_a_colon(place: int) -> None:
    with pytest.raises(SpaError):
        read(with_field(place, "1:1"))


@pytest.mark.parametrize("length", [49, 63, 64, 65, 191, 192, 193, 255, 256])
def test_a_user_name_that_decoders_do_not_take_is_neither_read_nor_written(length: int) -> None:
    name = base64.b64encode(b"u" * length).decode("ascii").rstrip("=")
    with pytest.raises(SpaError) as refused:
        read(with_field(1, name))
    assert refused.value.code == Code.INVALID_DATA_DECODE_USERNAME_TOOBIG
    with pytest.raises(SpaError) as refused:
        compose(replace(ASKED, user="u" * length))
    assert refused.value.code == Code.DATA_TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4" * 40, "1." * 300, "1" * 300, f"{'0' * 300}1.2.3.4", f"1.2.3.{'0' * 300}4",
        "1.2.3.4" + " " * 300, ":" * 300, "2001:db8::" + "0" * 300, "::ffff:" + "1.2.3.4" * 40,
        "4294967297.1.1.1", "1.2.3.18446744073709551617", "2001:db8::10000",
    ],
    ids=range(12),
)  # fmt: skip
def test_an_over_long_address_is_refused_and_not_quoted_whole(text: str) -> None:
    with pytest.raises(BadAddressError) as refused:
        parse_allow(text)
    assert len(str(refused.value)) < 100
