"""Clocks, boots and randomness."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from watchword.edges import clock, randomness
from watchword.edges.clock import FakeClock, SystemClock
from watchword.model.moments import Moment


def test_both_clocks_of_the_system_are_read() -> None:
    before = Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))
    now = SystemClock().now()
    after = Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))
    assert before.steady <= now.steady <= after.steady
    assert before.wall <= now.wall <= after.wall


def test_a_fake_clock_moves_only_when_told_to() -> None:
    fake = FakeClock(wall=1000.0, steady=10.0)
    assert fake.now() == fake.now() == Moment(1000.0, 10.0)
    assert fake.advance(5) == fake.now() == Moment(1005.0, 15.0)
    assert fake.step_wall(-3600) == fake.now() == Moment(1005.0 - 3600, 15.0)


def test_a_boot_has_one_name() -> None:
    assert clock.boot_id() == clock.boot_id() != ""


def test_a_system_without_boot_ids_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", Path("/nonexistent"))
    assert clock.boot_id() == ""


@pytest.mark.parametrize("count", [1, 5, 16])
def test_digits_are_as_many_as_asked_for(count: int) -> None:
    drawn = {randomness.digits(count) for _ in range(200)}
    assert all(len(each) == count and each.isdecimal() for each in drawn)
    assert len(drawn) > 5


def test_a_number_may_begin_with_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: (42).to_bytes(count, "big"))
    assert randomness.digits(16) == "0000000000000042"


def test_salts_and_keys_are_of_their_length_and_never_the_same() -> None:
    assert len(randomness.salt()) == randomness.SALT_BYTES == 8
    assert len(randomness.key_bytes(32)) == 32
    assert len({randomness.salt() for _ in range(100)}) == 100


def test_a_process_and_its_child_draw_different_numbers() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, randomness.salt() + randomness.digits(16).encode("ascii"))
        os._exit(0)
    drawn = randomness.salt() + randomness.digits(16).encode("ascii")
    os.waitpid(child, 0)
    childs = os.read(reading, 100)
    os.close(reading)
    os.close(writing)
    assert len(childs) == len(drawn) == 24
    assert childs[:8] != drawn[:8]
    assert childs[8:] != drawn[8:]


def test_a_source_of_randomness_that_fails_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(count: int) -> bytes:
        raise OSError("no randomness")

    monkeypatch.setattr(os, "urandom", fails)
    for draw in (randomness.salt, lambda: randomness.digits(16), lambda: randomness.key_bytes(32)):
        with pytest.raises(OSError, match="no randomness"):
            draw()
