"""What the perl client 1.9.12 made is opened, and made again byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watchword.conformance.golden import Vector, credential_of, load, message_of, payload_of
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.leniency import LenientLock
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock, flaw, unseal
from watchword.wire.spa.perl19 import PERL_VERSION, seal_as_perl

VECTORS = load("perl19")
PREFIX = b"U2FsdGVkX1"
KEPT_PREFIX = {"perl-salted"}
"""Made with an option that leaves the prefix on the wire; the rest is as ever."""
SALT = b"saltsalt"
KEY = Secret(b"fwknoptest")
MESSAGE = Message(
    "1234567890123456", "mbr", 1700000000, PERL_VERSION, MessageType.ACCESS, "192.0.2.10,tcp/22"
)


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def made_again(vector: Vector) -> bytes:
    key = credential_of(vector["encryption"], None).key
    salt = bytes.fromhex(vector["encryption"]["salt_hex"])
    return seal_as_perl(message_of(vector), key, salt=salt)


def test_no_vector_was_lost() -> None:
    assert len(VECTORS) == 22
    assert {vector["source"] for vector in VECTORS} == {"fwknop-perl-1.9.12"}
    kept = {vector["id"] for vector in VECTORS if payload_of(vector).startswith(PREFIX)}
    assert kept == KEPT_PREFIX


@pytest.mark.requirement("4.7", partial=True)
@pytest.mark.parametrize("vector", VECTORS, ids=by_id)
def test_a_packet_of_the_perl_client_is_made_again_byte_for_byte(vector: Vector) -> None:
    theirs = payload_of(vector)
    kept = PREFIX if vector["id"] in KEPT_PREFIX else b""
    assert kept + made_again(vector) == theirs


@pytest.mark.requirement("4.7", partial=True)
@pytest.mark.parametrize("vector", VECTORS, ids=by_id)
def test_what_we_make_as_perl_a_strict_lock_opens(vector: Vector) -> None:
    payload = made_again(vector)
    assert flaw(payload) is None
    opened = unseal(payload, Lock(credential_of(vector["encryption"], None)))
    assert opened.message == message_of(vector)
    assert opened.plaintext.decode("ascii") == vector["plaintext"]


def test_a_long_key_counts_in_full_and_cbc_opens_the_packet_too() -> None:
    long = [each for each in VECTORS if each["encryption"]["key_len"] >= 16]
    assert [each["encryption"]["key_len"] for each in long] == [20, 32]
    for vector in long:
        credential = replace(credential_of(vector["encryption"], None), mode=CipherMode.CBC)
        assert unseal(payload_of(vector), Lock(credential)).message == message_of(vector)


def test_a_short_key_is_another_in_cbc() -> None:
    payload = seal_as_perl(MESSAGE, KEY, salt=SALT)
    with pytest.raises(SpaError) as refused:
        unseal(payload, Lock(Credential(KEY, CipherMode.CBC)))
    assert refused.value.code == Code.DECRYPTION_FAILURE


@pytest.mark.parametrize(("before", "after"), [(PREFIX, b""), (b"", b"="), (PREFIX, b"=")])
def test_what_options_of_perl_leave_on_the_wire_only_a_lenient_lock_takes(
    before: bytes, after: bytes
) -> None:
    """``--Include-salted`` and ``--Include-equals`` (chapter 15)."""
    credential = Credential(KEY, CipherMode.LEGACY)
    payload = before + seal_as_perl(MESSAGE, KEY, salt=SALT) + after
    assert flaw(payload) is not None
    assert unseal(payload, LenientLock(credential)).message == MESSAGE
    with pytest.raises(SpaError, match="not the canonical spelling"):
        unseal(payload, Lock(credential))


@pytest.mark.parametrize(
    ("asked", "seconds", "sent"),
    [
        (1, 0, 1), (1, 60, 3), (3, 0, 3), (3, 60, 3), (2, 0, 2), (2, 60, 4), (4, 0, 4), (5, 0, 5),
        (5, 60, 6), (6, 0, 6), (6, 60, 6), (0, 0, 0), (0, 60, 0),
    ],
)  # fmt: skip
def test_a_type_with_a_timeout_keeps_it_even_if_it_is_nothing(
    asked: int, seconds: int, sent: int
) -> None:
    kind = MessageType(asked)
    message = replace(
        MESSAGE,
        type=kind,
        seconds=seconds,
        nat="10.0.0.5,22" if kind.has_nat else None,
        text="192.0.2.10,id" if kind is MessageType.COMMAND else MESSAGE.text,
    )
    payload = seal_as_perl(message, KEY, salt=SALT)
    opened = unseal(payload, Lock(Credential(KEY, CipherMode.LEGACY))).message
    assert (opened.type, opened.seconds) == (sent, seconds if opened.type.has_timeout else 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"digest": Digest.SHA384}, 99),
        ({"digest": Digest.SHA3_256}, 99),
        ({"version": "2.0"}, 4),
        ({"version": "3"}, 4),
        ({"version": "1.9.12x"}, 4),
        ({"server_auth": "crypt,pw", "seconds": 60}, 111),
        ({"server_auth": "crypt,pw", "type": MessageType.TIMEOUT_ACCESS}, 111),
        ({"server_auth": "crypt,pw", "type": MessageType.NAT_ACCESS, "nat": "10.0.0.5,22"}, 111),
        ({"text": "2001:db8::7,tcp/22"}, 100),
        ({"text": "192.0.2.10,icmp/8"}, 102),
        ({"text": "192.0.2.10,none/0"}, 102),
        ({"type": MessageType.NAT_ACCESS, "nat": "inside,22"}, 103),
        ({"type": MessageType.NAT_ACCESS, "nat": "2001:db8::5,22"}, 103),
        ({"user": "a:b"}, 91),
    ],
)
def test_what_perl_or_libfko_could_not_read_is_not_written(
    change: dict[str, object], code: int
) -> None:
    message = replace(MESSAGE, **change)  # type: ignore[arg-type]  # the table mixes fields
    with pytest.raises(SpaError) as refused:
        seal_as_perl(message, KEY, salt=SALT)
    assert refused.value.code == code


@pytest.mark.parametrize(("length", "fits"), [(7, False), (8, True), (32, True), (33, False)])
def test_a_key_has_8_to_32_bytes(length: int, fits: bool) -> None:
    key = Secret(b"k" * length)
    if fits:
        assert seal_as_perl(MESSAGE, key, salt=SALT)
        return
    with pytest.raises(SpaError) as refused:
        seal_as_perl(MESSAGE, key, salt=SALT)
    assert refused.value.code == Code.INVALID_KEY_LEN


def test_what_would_be_taken_for_openpgp_is_not_made() -> None:
    command = replace(
        MESSAGE, type=MessageType.COMMAND, text="192.0.2.10," + "x" * 181, server_auth="a" * 63
    )
    with pytest.raises(SpaError, match="too long"):
        seal_as_perl(command, KEY, salt=SALT)
    with pytest.raises(ValueError, match="8 bytes"):
        seal_as_perl(MESSAGE, KEY, salt=b"")


@pytest.mark.parametrize("vector", load("perl19_negative"), ids=by_id)
def test_what_libfko_refuses_of_perl_is_refused(vector: Vector) -> None:
    with pytest.raises(SpaError) as refused:
        unseal(payload_of(vector), Lock(credential_of(vector["decode"], None)))
    assert refused.value.code == vector["code"]
