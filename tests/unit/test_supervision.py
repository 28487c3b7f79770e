"""What a service manager is told, word by word."""

from __future__ import annotations

import pytest

from watchword.edges import supervisor
from watchword.service.daemon.supervision import Supervision


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(supervisor, "notify", said.append)
    monkeypatch.setattr(supervisor, "watchdog", lambda: None)
    return said


def test_nothing_is_told_before_it_is_ready_and_nothing_twice(told: list[str]) -> None:
    supervision = Supervision()
    supervision.awaiting(["interface a"])
    supervision.awaiting([])
    assert told == []
    supervision.ready()
    supervision.awaiting([])
    for _ in range(2):
        supervision.awaiting(["interface b", "file /c"])
    assert told == [
        "READY=1\nSTATUS=Packets are looked at",
        "STATUS=Waits for interface b, file /c: no packets from there yet",
    ]


def test_a_name_makes_no_second_line_and_many_make_no_long_one(told: list[str]) -> None:
    supervision = Supervision()
    supervision.awaiting(["file /a\nMAINPID=1\udcff", *(f"interface i{n}" for n in range(9))])
    supervision.ready()
    [said] = told
    assert said.count("\n") == 1
    assert (
        "file /a?MAINPID=1?, interface i0, interface i1, interface i2, interface i3 and 5" in said
    )
    said.encode("utf-8")
