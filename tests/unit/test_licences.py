"""What root says of one grant holds for that grant, once."""

from __future__ import annotations

import pytest

from tests.values import NOW
from watchword.edges.clock import FakeClock
from watchword.service.apart import licences as licences_room
from watchword.service.apart.licences import CLOSINGS, Licences

T = NOW.steady


def licences(*seconds: float) -> tuple[Licences, FakeClock]:
    """Root's word for the grant ``ab12``, once for each."""
    clock = FakeClock(*NOW)
    found = Licences(clock)
    for each in seconds:
        found.give("ab12", each, 25)
    return found, clock


def test_it_is_for_the_grant_that_root_has_named_and_to_one_end_only() -> None:
    found, _ = licences(600)
    found.know("ab12", "alice", T + 30)
    assert not found.covers("cd34", "alice", T + 30, T + 630)
    assert not found.covers("ab12", "bob", T + 30, T + 630)
    assert found.covers("ab12", "alice", T + 30, T + 630)
    assert found.covers("ab12", "alice", T + 30, T + 630)  # another of its services, or once more
    assert not found.covers("ab12", "alice", T + 630, T + 1230)  # and again and again


def test_whose_a_grant_is_was_said_when_it_was_opened_and_is_not_said_anew() -> None:
    found, _ = licences(600)
    found.know("ab12", "alice", T + 30)
    found.know("ab12", "bob", T + 40)
    assert not found.covers("ab12", "bob", T + 30, T + 630)
    assert found.covers("ab12", "alice", T + 30, T + 630)


def test_of_a_grant_of_an_earlier_run_it_is_for_whomever_it_is_first_used_for() -> None:
    found, _ = licences(600)
    assert found.covers("ab12", CLOSINGS, T + 30, T + 630)
    assert found.covers("ab12", CLOSINGS, T + 30, T + 630)
    assert not found.covers("ab12", "alice", T + 30, T + 630)


def test_two_words_are_for_one_grant_twice() -> None:
    found, _ = licences(600, 600)
    found.know("ab12", "alice", T + 30)
    assert found.covers("ab12", "alice", T + 30, T + 630)
    assert found.covers("ab12", "alice", T + 630, T + 1230)
    assert not found.covers("ab12", "alice", T + 1230, T + 1830)


def test_no_more_seconds_than_were_said_and_not_for_what_is_over_and_not_later() -> None:
    found, clock = licences(600)
    assert not found.covers("ab12", "alice", T + 30, T + 632)
    assert not found.covers("ab12", "alice", T - 1, T + 500)
    assert not found.covers("ab12", "alice", 0.0, T + 10)  # it was never open
    clock.advance(26)
    assert not found.covers("ab12", "alice", T + 30, T + 630)


def test_what_is_known_of_grants_that_are_over_is_forgotten() -> None:
    found, clock = licences()
    for number in range(3000):
        found.know(f"grant {number}", "alice", clock.now().steady + 1)
        clock.advance(0.01)
    assert len(found._whose) <= 1025


def test_a_gate_that_makes_up_names_fills_no_memory_and_pushes_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(licences_room, "MOST", 2000)
    found, clock = licences(600)
    found.know("ab12", "alice", T + 3000)
    for number in range(10_000):
        found.know(f"grant {number}", "mallory", T + 1000)
    assert len(found._whose) == 2000
    assert not found.covers("ab12", "mallory", T + 30, T + 630)
    assert found.covers("ab12", "alice", T + 30, T + 630)
    clock.advance(1001)
    found.know("cd34", "bob", T + 2000)
    assert list(found._whose) == ["ab12", "cd34"]
