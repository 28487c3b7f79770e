"""All grants of a running daemon, while some of them end and others come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from watchword.service import asking
from watchword.service.tool import grants_told

PAGE = 100


class Daemon:
    """Has grants, of which some have ended before each question."""

    def __init__(self, number: int, ending: int) -> None:
        self.grants = [f"grant {each}" for each in range(number)]
        self.ending = ending
        self.questions = 0

    def ask(self, _: Path, what: str, **more: int) -> dict[str, Any]:
        assert what == "grants"
        start = more.get("from", 0)
        if self.questions:
            del self.grants[: self.ending]
            self.grants.append(f"new grant {self.questions}")
        self.questions += 1
        page = [{"grant": each} for each in self.grants[start : start + PAGE]]
        return {"at": self.questions, "total": len(self.grants), "grants": page}


@pytest.mark.parametrize(("number", "ending"), [(0, 0), (7, 0), (1000, 0), (1000, 20), (3000, 80)])
def test_all_that_are_there_are_told_though_others_end_between_the_pages(
    monkeypatch: pytest.MonkeyPatch, number: int, ending: int
) -> None:
    daemon = Daemon(number, ending)
    monkeypatch.setattr(asking, "ask", daemon.ask)
    told = grants_told.ask_all(Path("x"))
    names = [each["grant"] for each in told["grants"]]
    assert len(set(names)) == len(names)
    assert set(daemon.grants) <= {*names, f"new grant {daemon.questions - 1}"}
    assert (told["at"], told["total"]) == (1, number)
    assert daemon.questions <= 2 + number // 20


def test_no_more_are_fetched_than_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(5000, 0)
    monkeypatch.setattr(asking, "ask", daemon.ask)
    told = grants_told.ask_all(Path("x"), most=250)
    assert 250 <= len(told["grants"]) <= 350
    assert daemon.questions <= 5


def test_a_daemon_whose_grants_all_end_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = Daemon(2000, 1990)
    monkeypatch.setattr(asking, "ask", daemon.ask)
    grants_told.ask_all(Path("x"))
    assert daemon.questions < 10
