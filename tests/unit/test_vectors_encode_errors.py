"""What libfko refuses to write we refuse with its number, and what no decoder takes as well."""

from __future__ import annotations

import pytest

from watchword.conformance.golden import (
    Vector,
    credential_to_write,
    load,
    message_to_write,
)
from watchword.conformance.strictness import (
    LET_PASS_BY_LIBFKO,
    NO_COUNTERPART,
    NO_VALUE_TO_WRITE,
    WRITTEN_ALL_THE_SAME,
    WRITTEN_WITH_ANOTHER_CODE,
)
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.opening import Lock, unseal
from watchword.wire.spa.sealing import seal

VECTORS = load("encode_errors")
SALT = b"saltsalt"


def expected(vector: Vector) -> int:
    ours: dict[str, int] = {**WRITTEN_WITH_ANOTHER_CODE, **LET_PASS_BY_LIBFKO}
    return ours.get(vector["id"], int(vector["code"]))


def test_no_vector_was_lost() -> None:
    special = (
        LET_PASS_BY_LIBFKO.keys() | WRITTEN_ALL_THE_SAME.keys() | NO_VALUE_TO_WRITE | NO_COUNTERPART
    )
    assert len(VECTORS) == 34
    assert special | WRITTEN_WITH_ANOTHER_CODE.keys() <= {vector["id"] for vector in VECTORS}
    passed = {vector["id"] for vector in VECTORS if vector["code"] == 0}
    assert passed == LET_PASS_BY_LIBFKO.keys() | {"enc-ts-2038"}


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["id"] not in NO_COUNTERPART],
    ids=lambda vector: str(vector["id"]),
)
def test_nothing_is_written_that_others_refuse(vector: Vector) -> None:
    given = vector["input"]
    if vector["id"] in NO_VALUE_TO_WRITE:
        with pytest.raises(ValueError, match="is not a valid"):
            seal(message_to_write(given), credential_to_write(given), salt=SALT)
        return
    message, credential = message_to_write(given), credential_to_write(given)
    if vector["id"] in WRITTEN_ALL_THE_SAME:
        payload = seal(message, credential, salt=SALT)
        assert unseal(payload, Lock(credential)).message == message
        return
    with pytest.raises(SpaError) as refused:
        seal(message, credential, salt=SALT)
    assert refused.value.code == expected(vector)
