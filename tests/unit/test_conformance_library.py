"""The judge of the library: everything is met, and a library that is wrong is told so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from watchword import spa
from watchword.conformance import library
from watchword.conformance.findings import Verdict


def failed_groups() -> Counter[str]:
    return Counter(each.group for each in library.judge() if each.verdict is Verdict.FAIL)


@pytest.mark.requirement("8.11", partial=True)
def test_our_library_meets_every_vector() -> None:
    findings = list(library.judge())
    assert failed_groups() == {}
    assert Counter(each.group for each in findings if each.verdict is Verdict.PASS) == {
        "opens": 394, "makes again": 355, "lenient": 30, "refuses": 212, "does not write": 34,
    }  # fmt: skip
    assert {each.group for each in findings if each.verdict is Verdict.SKIP} == {"gpg"}


def test_a_library_that_opens_everything_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    message = spa.Message("1234567890123456", "root", 0, "3.0.0", spa.MessageType.ACCESS, "")
    monkeypatch.setattr(library, "unseal", lambda *_: spa.Opened(message, b""))
    found = failed_groups()
    assert found["opens"] == 394
    assert found["refuses"] == 200
    assert found["lenient"] == 24


def test_a_library_that_misreads_a_field_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def misread(payload: bytes, lock: spa.Lock) -> spa.Opened:
        opened = spa.unseal(payload, lock)
        return replace(opened, message=replace(opened.message, seconds=7))

    monkeypatch.setattr(library, "unseal", misread)
    assert failed_groups()["opens"] == 394


def test_a_library_that_refuses_everything_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise spa.SpaError(spa.Code.DECRYPTION_FAILURE)

    monkeypatch.setattr(library, "unseal", refuse)
    monkeypatch.setattr(library, "seal", refuse)
    found = failed_groups()
    assert (found["opens"], found["makes again"], found["lenient"]) == (394, 355, 6)
    assert 150 < found["refuses"] < 212
    assert found["does not write"] > 20


def test_a_library_that_writes_another_form_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(message: spa.Message, credential: spa.Credential, *, salt: bytes) -> bytes:
        return spa.seal(replace(message, user=f"{message.user[:20]}x"), credential, salt=salt)

    monkeypatch.setattr(library, "seal", other)
    assert failed_groups()["makes again"] == 355
