"""access.conf: nothing that is included costs more than a bound."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import CONFIG, STANZA
from watchword.dialects.fwknop import access_conf
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import parse
from watchword.dialects.fwknop.translate import load
from watchword.errors import OperatorError


def refused(texts: dict[str, str]) -> str:
    with pytest.raises(OperatorError) as caught:
        load(Sources.of({"f": CONFIG, **texts}), parse(["-c", "f", "-a", "a"]))
    [told] = [each for each in caught.value.complaints if each.fatal]
    return str(told)


def test_a_number_of_files_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_conf, "_FILES", 5)
    five = {"a": STANZA + "%include b\n" * 4, "b": "# nothing"}
    assert load(Sources.of({"f": CONFIG, **five}), parse(["-c", "f", "-a", "a"]))
    six = {"a": STANZA + "%include b\n" * 5, "b": "# nothing"}
    assert refused(six).startswith("a:10: too much is included")


def test_a_sum_of_characters_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_conf, "_CHARACTERS", 1000)
    texts = {"a": STANZA + "%include b\n" * 9, "b": "#" * 400}
    assert refused(texts).startswith("a:8: too much is included")


def test_a_folder_as_long_as_it_likes_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_conf, "_FILES", 50)
    texts = {"a": STANZA + "%include_folder d\n"} | {f"d/{n}.conf": "" for n in range(60)}
    assert refused(texts).startswith("a:6: too much is included")
