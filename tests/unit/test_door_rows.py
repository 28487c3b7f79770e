"""The scenarios of the specification, played to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.knock_rows import ROWS, Hit, Pause, Row, played
from watchword.dialects.knockd import conf
from watchword.model.doors import TCP, UDP, Knock, Progress, Step
from watchword.recognise.doors import DoorRecogniser

HERE = bytes((10, 77, 0, 1))
SENDERS = {"c1": bytes((10, 77, 0, 11)), "c2": bytes((10, 77, 0, 12))}
NAMES = {"10.77.0.11": "c1", "10.77.0.12": "c2"}


def engine(text: str) -> DoorRecogniser:
    return DoorRecogniser(conf.read(text, "knockd.conf").doors, {HERE})


def said(told: Sequence[Progress]) -> Iterator[str]:
    for each in told:
        who = f"{NAMES[str(each.source)]} {each.door.name}"
        if each.step is Step.TIMED_OUT:
            yield f"{who} T{each.stage}"
        elif each.step is Step.ADVANCED:
            yield f"{who} {each.stage}"
            if each.opened:
                yield f"{who} OS"


def play(row: Row) -> list[str]:
    """What is told of a scenario, by sender and door."""
    tracker, now = engine(row.doors), 1000.0
    told: list[str] = []
    for step in played(row.sent):
        match step:
            case Pause(seconds):
                now += seconds
                told += said(tracker.expire(now))
            case Hit(sender, udp, port, flags):
                knock = Knock(SENDERS[sender], HERE, UDP if udp else TCP, port, int(flags))
                told += said(tracker.observe(knock, now))
                now += 0.02
    return told


def sorted_by_door(lines: Sequence[str]) -> dict[str, list[str]]:
    """Lines of each sender at each door, in their order."""
    found: dict[str, list[str]] = {}
    for line in lines:
        who, what = line.rsplit(" ", 1)
        found.setdefault(who, []).append(what)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_a_scenario_comes_to_what_the_specification_says(row: Row) -> None:
    assert sorted_by_door(play(row)) == sorted_by_door(row.told)


def test_no_scenario_was_lost() -> None:
    assert len({row.number for row in ROWS}) == len(ROWS) > 40
