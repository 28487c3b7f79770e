"""The hand closes what it opened: after it is open, once, until it has succeeded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from watchword.edges.clock import FakeClock
from watchword.edges.debts import NAME, Debts
from watchword.errors import HostError
from watchword.grant import cycles, warrants
from watchword.model.commands import Closing
from watchword.model.orders import CloseByCommand, Mail, OpenByCommand, Prolong
from watchword.model.services import Service
from watchword.model.settings import Settings
from watchword.ports import Completed, ForbiddenError, NotOwedError, NotStartedError
from watchword.service.apart import owing
from watchword.service.apart.answers import Answer, Begun, opened
from watchword.service.apart.licences import Licences
from watchword.service.apart.workshop import Tools, Workshop

RM = Closing("rm a", ("rm", "a"), 5.0)
CALLER = ip_address("198.51.100.2")
NEXT = ip_address("192.0.2.99")
OPEN = OpenByCommand(1, CALLER, CALLER, None, Service.parse("tcp/22"), 0, 30, 0)
CLOSE = CloseByCommand(RM.argv)


class Programs:
    """What runs nothing, and says how it ended."""

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened
        self.status = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()
        self.ended = False

    def run(self, *_: object, **__: object) -> Completed:
        self.happened.append("closing")
        self.begun.set()
        assert self.go_on.wait(60)
        return Completed(self.status, b"", b"")

    def end(self) -> None:
        self.ended = True


class Scene:
    """A workshop, with a stanza that opens by a command."""

    def __init__(self, path: Path) -> None:
        self.happened: list[str] = []
        self.told: list[str] = []
        self.clock = FakeClock()
        self.settings = Settings()
        self.closing = Programs(self.happened)
        self.opening: Callable[[], Completed] = lambda: Completed(0, b"", b"")
        self._path = path
        self._answers: dict[int, Answer] = {}
        self._news = threading.Condition()
        self._number = 0
        self.start()

    def start(self) -> None:
        others: Any = Programs(self.happened)
        closing: Any = self.closing
        terms = SimpleNamespace(cycle=object(), max_seconds=60)
        policy = SimpleNamespace(terms=lambda number: terms)
        rules = SimpleNamespace(policy=policy, hand=SimpleNamespace(open=self._open))
        book: Any = SimpleNamespace(now=SimpleNamespace(settings=self.settings), of=lambda _: rules)
        reporter: Any = SimpleNamespace(report=lambda outcome: self.told.append(repr(outcome)))
        self.debts = Debts(self._path, "boot", self.clock.now())
        self.licences = Licences(self.clock)
        self.workshop = Workshop(
            book, self.debts, Tools(others, closing, others, others), reporter, self.clock,
            answer=self._answered, licences=self.licences,
        )  # fmt: skip

    def _open(self, *_: object) -> Completed:
        self.happened.append("opening")
        done = self.opening()
        self.happened.append("open")
        return done

    def _answered(self, answer: Answer | Begun) -> None:
        assert isinstance(answer, Answer)
        with self._news:
            self._answers[answer.number] = answer
            self._news.notify_all()

    def ask(self, order: Any) -> int:
        self._number += 1
        self.workshop.take(self._number, order)
        return self._number

    def answer(self, number: int) -> Any:
        with self._news:
            assert self._news.wait_for(lambda: number in self._answers, 60)
        return opened(self._answers[number])

    def status(self, order: Any) -> int:
        status: int = self.answer(self.ask(order)).status
        return status


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(warrants, "against_command", lambda *_: "")
    monkeypatch.setattr(cycles, "closing", lambda *_: RM)
    found = Scene(tmp_path / NAME)
    yield found
    found.closing.go_on.set()
    found.workshop.stop()


def test_what_has_failed_to_close_is_never_forgotten(scene: Scene) -> None:
    scene.status(OPEN)
    scene.closing.status = 1
    assert scene.status(CLOSE) == 1
    scene.clock.advance(86_400)
    scene.workshop.close_what_is_overdue()
    assert scene.status(CLOSE) == 1
    scene.closing.status = 0
    assert scene.status(CLOSE) == 0
    assert scene.happened.count("closing") == 3
    assert not scene.told


def test_in_a_dry_run_a_gate_that_was_taken_over_has_nothing_run(scene: Scene) -> None:
    scene.settings = Settings(dry_run=True)
    scene.start()
    for each in (OPEN, CLOSE, Mail("you are in")):
        with pytest.raises(ForbiddenError, match="dry run"):
            scene.answer(scene.ask(each))
    assert not scene.happened


def test_after_a_restart_what_has_failed_is_run_once_more_unasked(scene: Scene) -> None:
    scene.status(OPEN)
    scene.closing.status = 1
    scene.status(CLOSE)
    scene.workshop.stop()
    scene.clock.advance(86_400)
    scene.start()
    scene.closing.status = 0
    scene.closing.begun.clear()
    scene.clock.advance(owing.AFTER_START + 1)
    scene.workshop.close_what_is_overdue()
    assert scene.closing.begun.wait(60)
    assert scene.status(CLOSE) == 0
    assert scene.happened.count("closing") == 2


def test_to_close_once_more_what_was_closed_is_well_and_runs_nothing(scene: Scene) -> None:
    scene.status(OPEN)
    assert scene.status(CLOSE) == 0
    assert scene.status(CLOSE) == 0
    assert scene.happened.count("closing") == 1


def test_what_was_never_opened_is_told_and_neither_closed_nor_an_offence(scene: Scene) -> None:
    number = scene.ask(CLOSE)
    with pytest.raises(NotOwedError, match="nothing has to be closed by rm: it was not opened"):
        scene.answer(number)
    assert "closing" not in scene.happened
    assert "nothing has to be closed by rm" in scene.told[0]
    assert "may not be" not in scene.told[0]


def test_what_closes_waits_for_the_end_of_what_opens(scene: Scene) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Completed:
        begun.set()
        assert go_on.wait(60)
        return Completed(0, b"", b"")

    scene.opening = slowly
    opening = scene.ask(OPEN)
    assert begun.wait(60)
    closing = scene.ask(CLOSE)
    assert not scene.closing.begun.wait(0.2)
    scene.clock.advance(3600)
    scene.workshop.close_what_is_overdue()
    assert not scene.closing.begun.wait(0.1)
    go_on.set()
    assert scene.answer(opening).status == 0
    assert scene.answer(closing).status == 0
    assert scene.happened == ["opening", "open", "closing"]
    assert len(scene.debts) == 0


def test_what_could_not_be_started_has_not_to_be_closed(scene: Scene) -> None:
    def fail() -> Completed:
        raise NotStartedError("there is no such program")

    scene.opening = fail
    number = scene.ask(OPEN)
    with pytest.raises(NotStartedError):
        scene.answer(number)
    assert scene.status(CLOSE) == 0
    assert "closing" not in scene.happened


@pytest.mark.parametrize("status", [0, 1])
def test_who_asks_while_it_is_being_closed_hears_how_that_ended(scene: Scene, status: int) -> None:
    scene.status(OPEN)
    scene.closing.go_on.clear()
    scene.closing.status = status
    first = scene.ask(CLOSE)
    assert scene.closing.begun.wait(60)
    second = scene.ask(CLOSE)
    scene.closing.go_on.set()
    assert scene.answer(first).status == status
    assert scene.answer(second).status == status
    assert scene.happened.count("closing") == 1 + status
    assert len(scene.debts) == status


def test_who_waits_when_everything_stops_hears_that_it_was_not_closed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()

    def busy(_: object) -> bool:
        waits.set()
        return True

    monkeypatch.setattr(scene.debts, "busy", busy)
    number = scene.ask(CLOSE)
    assert waits.wait(60)
    scene.workshop.stop()
    with pytest.raises(HostError, match="rm is busy"):
        scene.answer(number)


def test_a_moment_later_is_not_worth_writing_down(scene: Scene, tmp_path: Path) -> None:
    scene.status(OPEN)
    debt = scene.debts.of(RM.argv)
    assert debt is not None
    before = (tmp_path / NAME).read_bytes()
    scene.workshop.prolong(Prolong(RM.argv, debt.until + 0.9))
    assert (tmp_path / NAME).read_bytes() == before
    until = debt.until + 1
    scene.workshop.prolong(Prolong(RM.argv, until))
    assert debt.until == until


def test_roots_word_puts_off_what_closes_for_the_grant_that_it_names(scene: Scene) -> None:
    scene.status(replace(OPEN, grant="ab12"))
    debt = scene.debts.of(RM.argv)
    assert debt is not None
    until, later = debt.until, debt.until + 600
    scene.licences.know("cd34", (NEXT, NEXT), until)
    scene.licences.give("cd34", 600, 25)
    for named in ("cd34", "ab12", ""):
        scene.workshop.prolong(Prolong(RM.argv, later, named))
        assert debt.until == until
    scene.licences.give("ab12", 600, 25)
    scene.workshop.prolong(Prolong(RM.argv, later, "ab12"))
    assert debt.until == later
