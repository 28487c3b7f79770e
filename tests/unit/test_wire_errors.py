"""Numbers, names and texts of libfko's errors."""

from __future__ import annotations

import ctypes

import pytest

from watchword.conformance.golden import all_of_kind, load
from watchword.errors import PeerError
from watchword.model.reasons import Reason
from watchword.wire.spa.errors import Code, SpaError


def test_names_are_those_of_the_vectors() -> None:
    vectors = [*all_of_kind("negative"), *load("encode_errors")]
    named = {vector["code"]: vector["error"] for vector in vectors if vector["code"]}
    assert len(named) > 40
    assert {number: Code(number).label for number in named} == named


@pytest.mark.peer("fwknopd")
def test_texts_are_those_of_the_library() -> None:
    libfko = ctypes.CDLL("libfko.so.3")
    libfko.fko_errstr.restype = ctypes.c_char_p
    assert {code: code.text for code in Code} == {
        code: libfko.fko_errstr(int(code)).decode("ascii") for code in Code
    }
    assert len(Code) == 139


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (67, Reason.LENGTH), (65, Reason.LENGTH), (47, Reason.ALPHABET),
        (75, Reason.MAC_MISMATCH), (74, Reason.MAC_MISMATCH), (107, Reason.NOT_DECRYPTED),
        (53, Reason.NOT_DECRYPTED), (108, Reason.MALFORMED), (16, Reason.MALFORMED),
    ],
)  # fmt: skip
def test_an_error_belongs_to_a_stage(code: int, reason: Reason) -> None:
    assert SpaError(Code(code)).reason is reason


def test_a_detail_follows_the_text_of_libfko() -> None:
    error = SpaError(Code.INVALID_KEY_LEN, "at most 32 bytes")
    assert isinstance(error, PeerError)
    assert str(error) == "Invalid key length (at most 32 bytes)"
    assert error.code.label == "FKO_ERROR_INVALID_KEY_LEN"
