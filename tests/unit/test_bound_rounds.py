"""When a packet declares a port of its own, and when it asks for the whole address."""

from __future__ import annotations

from typing import Any, cast

from watchword.service.tool.bound import Binding


class Told:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


def rounds(binding: Binding, count: int) -> list[bool]:
    """Of so many rounds that come to nothing, which were bound."""
    found = []
    for _ in range(count):
        found.append(binding.is_due("192.0.2.1"))
        if found[-1]:
            binding.unproved("192.0.2.1")
        else:
            binding.passed_over("192.0.2.1")
    return found


def binding(console: Told, *, only: bool) -> Binding:
    return Binding(cast(Any, None), cast(Any, console), only=only)


def test_after_two_ports_both_are_asked_for_in_turn_and_it_is_said_once() -> None:
    console = Told()
    assert rounds(binding(console, only=False), 7) == [True, True, False, True, False, True, False]
    [said] = console.said
    assert "asking for a grant to the whole address (BIND_SOURCE_PORT first)" in said


def test_who_wants_nothing_wider_never_asks_for_it() -> None:
    console = Told()
    assert all(rounds(binding(console, only=True), 7))
    assert console.said == []


def test_another_address_has_its_own_rounds() -> None:
    made = binding(Told(), only=False)
    rounds(made, 2)
    assert made.is_due("2001:db8::1")
    assert not made.is_due("192.0.2.1")
