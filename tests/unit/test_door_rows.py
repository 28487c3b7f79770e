"""The scenarios of the specification, played to the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.knock_rows import (
    DIFFERENT,
    ELSEWHERE,
    PLACES,
    ROWS,
    SENDERS,
    Hit,
    Pause,
    Row,
    by_door,
    played,
)
from watchword.dialects.knockd import conf
from watchword.model.doors import TCP, UDP, Knock, Progress, Step
from watchword.recognise.doors import DoorRecogniser

NUMBER = 5
TESTS = Path(__file__).parents[1]
LOCAL = {name: ip_address(text.format(NUMBER)) for name, text in PLACES.items()}
NAMES = {ip_address(text.format(NUMBER)): name for name, text in SENDERS.items()}
PACKED = {name: address.packed for address, name in NAMES.items()}


def engine(row: Row) -> DoorRecogniser:
    local = {
        each.packed
        for name, each in LOCAL.items()
        if name != "t" and (each.version == 4 or "-4" not in row.options)
    }
    return DoorRecogniser(conf.read(row.text(NUMBER), "knockd.conf").doors, local)


def said(told: Sequence[Progress]) -> Iterator[str]:
    for each in told:
        who = f"{NAMES[each.source]} {each.door.name}"
        if each.step is Step.TIMED_OUT:
            yield f"{who} T{each.stage}"
        elif each.step is Step.ADVANCED:
            yield f"{who} {each.stage}"
            if each.opened:
                yield f"{who} OS"


def play(row: Row) -> list[str]:
    """What is told of a scenario, by sender and door."""
    tracker, now = engine(row), 1000.0
    told: list[str] = []
    for step in played(row.sent):
        match step:
            case Pause(seconds):
                now += seconds
                told += said(tracker.expire(now))
            case Hit(sender, place, udp, port, flags):
                there = LOCAL[place].packed
                knock = Knock(PACKED[sender], there, UDP if udp else TCP, port, int(flags))
                told += said(tracker.observe(knock, now))
                now += 0.02
    return told


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_scenario_comes_to_what_the_specification_says(row: Row) -> None:
    told = [line for line in row.told if not line.endswith(" CT")]  # commands are not its business
    assert by_door(play(row)) == by_door(told)


def test_every_scenario_of_the_specification_is_played_somewhere() -> None:
    assert len({row.number for row in ROWS}) == len(ROWS)
    here = {int(digits[0]) for row in ROWS if (digits := re.findall(r"^[0-9]+", row.number))}
    assert here.isdisjoint(ELSEWHERE)
    assert here | ELSEWHERE.keys() == set(range(1, 83))
    for where in ELSEWHERE.values():
        file, _, name = where.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text("utf-8"), where


def test_every_scenario_that_differs_is_in_the_list_of_differences() -> None:
    page = (TESTS.parent / "docs" / "differences.md").read_text("utf-8")
    lines = page.partition("## knockd\n")[2].splitlines()
    for said in DIFFERENT.values():
        assert any(line.startswith(f"| {said}") for line in lines), said
    differing = {int(row.number) for row in ROWS if row.packaged is not None}
    assert differing <= DIFFERENT.keys()
