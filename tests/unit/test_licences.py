"""What root says of one grant holds for one grant, once."""

from __future__ import annotations

from tests.values import NOW
from watchword.edges.clock import FakeClock
from watchword.service.apart.licences import CLOSINGS, Licences

T = NOW.steady


def licences(*seconds: float) -> tuple[Licences, FakeClock]:
    clock = FakeClock(*NOW)
    found = Licences(clock)
    for each in seconds:
        found.give(each, 25)
    return found, clock


def test_it_is_for_the_first_grant_that_it_is_used_for_and_to_one_end_only() -> None:
    found, _ = licences(600)
    assert found.covers("a grant", T + 30, T + 630)
    assert found.covers("a grant", T + 30, T + 630)  # another of its services, or once more
    assert not found.covers("another grant", T + 30, T + 630)
    assert not found.covers(CLOSINGS, T + 30, T + 630)
    assert not found.covers("a grant", T + 630, T + 1230)  # and again and again


def test_two_words_are_for_two_grants_or_for_one_twice() -> None:
    found, _ = licences(600, 600)
    assert found.covers("a grant", T + 30, T + 630)
    assert found.covers("a grant", T + 30, T + 630)
    assert found.covers("a grant", T + 630, T + 1230)
    assert not found.covers("another grant", T + 30, T + 630)


def test_no_more_seconds_than_were_said_and_not_for_what_is_over_and_not_later() -> None:
    found, clock = licences(600)
    assert not found.covers("a grant", T + 30, T + 632)
    assert not found.covers("a grant", T - 1, T + 500)
    assert not found.covers("a grant", 0.0, T + 10)  # it was never open
    clock.advance(26)
    assert not found.covers("a grant", T + 30, T + 630)
