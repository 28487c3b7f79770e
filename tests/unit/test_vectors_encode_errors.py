"""What libfko refuses to write we refuse with its number, and what no decoder takes as well."""

from __future__ import annotations

from typing import Any

import pytest

from watchword.conformance.golden import Vector, load
from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.sealing import seal

VECTORS = load("encode_errors")
SALT = b"saltsalt"

LET_PASS_BY_LIBFKO = {
    "enc-local-nat-missing": Code.INCOMPLETE_SPA_DATA,
    "enc-timeout-70000": Code.DATA_TOO_LARGE,
    "enc-user-80": Code.DATA_TOO_LARGE,
    "enc-cmd-255": Code.DATA_TOO_LARGE,
}
"""Decoders refuse these or get something else; so we do not write them (chapter 2)."""
WRITTEN_BY_US = {
    "enc-ts-2038": "time stamps do not end in January 2038",
    "enc-msg-ip6": "IPv6 is our extension of the allow address",
}
NO_VALUE_OF_OURS = {"enc-digest0", "enc-digest8", "enc-mode9", "enc-hmactype8"}
"""Refused where a number becomes a Digest or a CipherMode."""
NO_COUNTERPART = {"enc-enctype3"}
"""What kind of encryption it is follows from the mode; there is no second number to get wrong."""


def message_of(given: dict[str, Any]) -> Message:
    return Message(
        random=given["rand"],
        user=given["username"],
        sent_at=given["timestamp"],
        version="3.0.0",
        type=MessageType(given["message_type"]),
        text=given.get("message", ""),
        nat=given.get("nat_access"),
        server_auth=given.get("server_auth"),
        seconds=given.get("client_timeout", 0),
        digest=Digest(given.get("digest_type", 3)),
    )


def credential_of(given: dict[str, Any]) -> Credential:
    mac_key = Secret(b"h" * given.get("hmac_key_len", 0)) if "hmac_type" in given else None
    return Credential(
        key=Secret(b"k" * given["encryption_key_len"]),
        mode=CipherMode(given["mode"]),
        mac_key=mac_key,
        mac_digest=Digest(given.get("hmac_type", 3)),
    )


EXPECTED_OTHERWISE = {
    "enc-nomsg": Code.INVALID_DATA_MESSAGE_EMPTY,  # no message is an empty one
    "enc-hmac-nokey": Code.INVALID_HMAC_KEY_LEN,  # no key is an empty one
}


def expected(vector: Vector) -> int:
    ours: dict[str, int] = {**EXPECTED_OTHERWISE, **LET_PASS_BY_LIBFKO}
    return ours.get(vector["id"], int(vector["code"]))


def test_no_vector_was_lost() -> None:
    special = LET_PASS_BY_LIBFKO.keys() | WRITTEN_BY_US.keys() | NO_VALUE_OF_OURS | NO_COUNTERPART
    assert len(VECTORS) == 34
    assert special | EXPECTED_OTHERWISE.keys() <= {vector["id"] for vector in VECTORS}
    passed = {vector["id"] for vector in VECTORS if vector["code"] == 0}
    assert passed == LET_PASS_BY_LIBFKO.keys() | {"enc-ts-2038"}


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["id"] not in NO_COUNTERPART],
    ids=lambda vector: str(vector["id"]),
)
def test_nothing_is_written_that_others_refuse(vector: Vector) -> None:
    given = vector["input"]
    if vector["id"] in NO_VALUE_OF_OURS:
        with pytest.raises(ValueError, match="is not a valid"):
            seal(message_of(given), credential_of(given), salt=SALT)
        return
    message, credential = message_of(given), credential_of(given)
    if vector["id"] in WRITTEN_BY_US:
        payload = seal(message, credential, salt=SALT)
        assert unseal(payload, Lock(credential)).message == message
        return
    with pytest.raises(SpaError) as refused:
        seal(message, credential, salt=SALT)
    assert refused.value.code == expected(vector)
