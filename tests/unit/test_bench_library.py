"""What the library's rows time is the whole of the work, and its answer is looked at."""

from __future__ import annotations

import pytest

from bench import packets
from bench.libfko import MAC_MISMATCH, Libfko
from bench.rows import library
from bench.waiting import NotMeasuredError


def test_what_is_timed_opens_valid_packets_and_no_others() -> None:
    work = library.opened_by_us()
    assert work(packets.sealed("10.0.0.1"))
    assert not work(packets.forged(1)[0])


def test_what_is_timed_refuses_forged_packets_and_no_others() -> None:
    work = library.refused_by_us()
    assert work(packets.forged(1)[0])
    assert not work(packets.sealed("10.0.0.1"))


def test_the_last_of_the_keys_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "STANZAS", 5)
    work = library.tried_by_us()
    assert work(packets.forged(1)[0])
    assert not work(packets.sealed("10.0.0.1", stanza=5))


def test_a_wrong_answer_is_no_figure() -> None:
    assert library.seconds_each(lambda _: True, [b"", b""]) >= 0
    with pytest.raises(NotMeasuredError, match="judged"):
        library.seconds_each(lambda payload: payload == b"", [b"", b"x"])


@pytest.mark.peer("fwknopd")
def test_the_c_library_opens_and_refuses_the_same_packets() -> None:
    asked = Libfko(packets.credential(1))
    assert asked.open(packets.sealed("10.0.0.1")) == 0
    assert asked.open(packets.forged(1)[0]) == MAC_MISMATCH
