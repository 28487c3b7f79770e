"""What the real programs made is opened and made again; what they refuse is refused.

Not in here: what only libfko's own, lenient reading takes (test_vectors_lenient).
"""

from __future__ import annotations

import base64
from collections import Counter

import pytest

from watchword.conformance.golden import (
    Vector,
    all_of_kind,
    credential_of,
    message_of,
    payload_of,
)
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.grammar import parse_access, parse_command, parse_nat
from watchword.wire.spa.message import MessageType
from watchword.wire.spa.opening import Lock, flaw, unseal
from watchword.wire.spa.sealing import packet_digest, seal

POSITIVE = all_of_kind("positive")
STRICT = [vector for vector in POSITIVE if not vector.get("lenient")]
LENIENT = [vector for vector in POSITIVE if vector.get("lenient")]
REMADE = [vector for vector in STRICT if vector["source"].startswith(("libfko-", "fwknop-client-"))]
NEGATIVE = all_of_kind("negative")

BEYOND_2038 = {"neg-ts-2038": 2147483648, "neg-ts-uint32max": 4294967295}
NOT_EXPRESSIBLE = {
    "neg-mode0", "neg-mode4", "neg-mode9", "neg-mode-1",
    "neg-hmac-type8", "neg-hmac-type0", "neg-hmac-type-1",
}  # fmt: skip
"""Configurations that our types have no value for: they end where text becomes a value."""


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def test_no_vector_was_lost() -> None:
    assert len(POSITIVE) == 424
    assert len(STRICT) == 394
    assert len(LENIENT) == 30
    assert len(REMADE) == 355
    assert len(NEGATIVE) == 212
    made_by = Counter(vector["source"] for vector in STRICT)
    assert made_by["fwknop-client-2.6.10"] == 52
    assert made_by["fwknop-perl-1.9.12"] == 21


@pytest.mark.requirement("4.22", "5.12", "8.11")
@pytest.mark.parametrize("vector", STRICT, ids=by_id)
def test_a_real_packet_is_opened(vector: Vector) -> None:
    lock = Lock(credential_of(vector["encryption"], vector["hmac"]))

    opened = unseal(payload_of(vector), lock)

    assert opened.message == message_of(vector)
    assert opened.plaintext.decode("ascii") == vector["plaintext"]
    assert lock.mac_chars == len(vector["hmac"]["value"] if vector["hmac"] else "")


@pytest.mark.parametrize("vector", STRICT, ids=by_id)
def test_the_message_of_a_real_packet_says_something(vector: Vector) -> None:
    fields = message_of(vector)
    if fields.type is MessageType.COMMAND:
        address, command = parse_command(fields.text)
        assert fields.text.endswith(f",{command}")
    else:
        address, services = parse_access(fields.text)
        assert services
    assert address.version == 4
    if fields.nat is not None:
        host, port = parse_nat(fields.nat)
        assert fields.nat.startswith(f"{host},")
        assert fields.nat.endswith(str(port))


@pytest.mark.parametrize("vector", REMADE, ids=by_id)
def test_a_packet_of_the_c_programs_is_made_again_byte_for_byte(vector: Vector) -> None:
    credential = credential_of(vector["encryption"], vector["hmac"])
    salt = bytes.fromhex(vector["encryption"]["salt_hex"])

    assert seal(message_of(vector), credential, salt=salt) == payload_of(vector)


@pytest.mark.parametrize("vector", STRICT, ids=by_id)
def test_the_envelope_of_a_real_packet_is_sound(vector: Vector) -> None:
    assert flaw(payload_of(vector)) is None


@pytest.mark.parametrize("vector", POSITIVE, ids=by_id)
def test_a_packet_is_remembered_by_the_digest_that_fwknopd_stores(vector: Vector) -> None:
    stored = base64.b64encode(packet_digest(payload_of(vector))).decode("ascii").rstrip("=")
    assert stored == vector["replay_digest"]


@pytest.mark.parametrize("vector", NEGATIVE, ids=by_id)
def test_what_libfko_refuses_is_refused_with_its_number(vector: Vector) -> None:
    if vector["id"] in NOT_EXPRESSIBLE:
        with pytest.raises(ValueError, match="is not a valid"):
            credential_of(vector["decode"], vector["decode"]["hmac"])
        return
    if vector["id"] in BEYOND_2038:
        lock = Lock(credential_of(vector["decode"], vector["decode"]["hmac"]))
        sent_at = unseal(payload_of(vector), lock).message.sent_at
        assert sent_at == BEYOND_2038[vector["id"]]
        return
    with pytest.raises(SpaError) as refused:
        unseal(payload_of(vector), Lock(credential_of(vector["decode"], vector["decode"]["hmac"])))
    assert (refused.value.code, refused.value.code.label) == (vector["code"], vector["error"])


def test_every_exception_to_the_rule_is_a_vector() -> None:
    assert BEYOND_2038.keys() | NOT_EXPRESSIBLE <= {vector["id"] for vector in NEGATIVE}
