"""What the benchmark says of several numbers, and how it prints one."""

from __future__ import annotations

import math

import pytest

from bench.figures import Goal, Summary, Unit, quantile, ratio_shown, shown, times_better


def test_rounds_are_summed_up_by_their_median_and_extremes() -> None:
    assert Summary.of([4.0, 1.0, 100.0]) == Summary(median=4.0, low=1.0, high=100.0, rounds=3)
    assert Summary.of([4.0, 1.0]).median == 2.5


def test_nothing_has_no_median_and_no_rank() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Summary.of([])
    with pytest.raises(ValueError, match="nothing"):
        quantile([], 0.5)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.5, 3.0), (0.95, 4.8), (1.0, 5.0), (0.125, 1.5)],
)
def test_a_quantile_lies_between_neighbours_linearly(share: float, expected: float) -> None:
    assert quantile([5.0, 3.0, 1.0, 2.0, 4.0], share) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "more_is_better", "times"),
    [
        (2.0, 8.0, False, 4.0),
        (8.0, 2.0, False, 0.25),
        (8.0, 2.0, True, 4.0),
        (2.0, 8.0, True, 0.25),
        (0.0, 5.0, False, math.inf),
        (5.0, 0.0, True, math.inf),
        (5.0, 0.0, False, 0.0),
        (0.0, 0.0, False, 1.0),
    ],
)
def test_better_means_better_in_either_direction(
    ours: float, theirs: float, more_is_better: bool, times: float
) -> None:
    assert times_better(ours, theirs, more_is_better=more_is_better) == times


@pytest.mark.parametrize(
    ("goal", "figures", "more", "met"),
    [
        (Goal(times=8), (1.0, 8.0, None), False, True),
        (Goal(times=8), (1.0, 7.9, None), False, False),
        (Goal(times=8), (1.0, None, None), False, None),
        (Goal(bound=5.0), (5.0, None, None), False, True),
        (Goal(bound=5.0), (5.1, None, None), False, False),
        (Goal(bound=0.99), (0.99, 0.2, None), True, True),
        (Goal(bound=0.99), (0.98, 0.2, None), True, False),
        (Goal(against="x", share=0.8), (80.0, None, 100.0), True, True),
        (Goal(against="x", share=0.8), (79.0, None, 100.0), True, False),
        (Goal(against="x", share=1.1), (109.0, None, 100.0), False, True),
        (Goal(against="x", share=1.1), (111.0, None, 100.0), False, False),
        (Goal(against="x"), (1.0, None, None), False, None),
        (Goal(times=2, against="x", share=0.8), (90.0, 30.0, 100.0), True, True),
        (Goal(times=2, against="x", share=0.8), (70.0, 30.0, 100.0), True, False),
        (Goal(times=2, against="x", share=0.8), (90.0, None, 100.0), True, None),
        (Goal(times=2, against="x", share=0.8), (70.0, None, 100.0), True, False),
        (Goal(), (1.0, 1.0, None), False, None),
    ],
)
def test_a_goal_is_met_only_if_every_part_of_it_is(
    goal: Goal, figures: tuple[float, float | None, float | None], more: bool, met: bool | None
) -> None:
    assert goal.met(*figures, more_is_better=more) is met


def test_a_goal_is_printed_as_what_has_to_hold() -> None:
    assert Goal(times=1500).text(Unit.RATE, more_is_better=True) == "1,500×"
    assert Goal(bound=0.05).text(Unit.TIME, more_is_better=False) == "≤ 50 ms"
    assert Goal(against="a", share=0.8).text(Unit.RATE, more_is_better=True) == "≥ 80 % of `a`"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0088, Unit.TIME, "8.8 ms"),
        (0.000082, Unit.TIME, "82 µs"),
        (3e-8, Unit.TIME, "0.03 µs"),
        (12.0, Unit.TIME, "12 s"),
        (-0.002, Unit.TIME, "-2 ms"),
        (0.0, Unit.TIME, "0 µs"),
        (62_345.6, Unit.RATE, "62,346 /s"),
        (6.81, Unit.RATE, "6.81 /s"),
        (0.9876, Unit.SHARE, "98.8 %"),
        (80 * 1024.0**2, Unit.SIZE, "80 MiB"),
        (512.0, Unit.SIZE, "512 B"),
        (0.05, Unit.COUNT, "0.05"),
        (100.0, Unit.COUNT, "100"),
    ],
)
def test_numbers_are_printed_with_three_digits_and_a_fitting_unit(
    value: float, unit: Unit, text: str
) -> None:
    assert shown(value, unit) == text


def test_a_ratio_against_nothing_is_infinite() -> None:
    assert ratio_shown(math.inf) == "∞"
    assert ratio_shown(45.06) == "45.1×"
