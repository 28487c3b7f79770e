"""Clocks, boots and randomness."""

from __future__ import annotations

import secrets
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
    monkeypatch.setattr(secrets, "randbelow", lambda _: 42)
    assert randomness.digits(16) == "0000000000000042"


def test_salts_and_keys_are_of_their_length_and_never_the_same() -> None:
    assert len(randomness.salt()) == randomness.SALT_BYTES == 8
    assert len(randomness.key_bytes(32)) == 32
    assert len({randomness.salt() for _ in range(100)}) == 100
