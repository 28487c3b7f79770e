"""What the process that ends rules has yet to end, and how it is told.

In here: rules, zones and ends; lines of JSON for them, both ways. Not in here: the process
(heir_process), its start (heir). No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import NamedTuple

from watchword.edges.firewall.firewalld.rules import Rule, parse, text

AGAIN = 1.0
"""Seconds until what could not be done is tried again."""


class Will(NamedTuple):
    """One rule, and when it is to be gone."""

    rule: Rule
    zones: tuple[str, ...]
    until: float
    """Steady seconds."""


def told(hold: Iterable[Will] = (), drop: Iterable[Rule] = ()) -> bytes:
    """One line: what is there from now on, and what is gone."""
    held = [[text(each.rule), each.zones, each.until] for each in hold]
    return json.dumps({"hold": held, "drop": [text(each) for each in drop]}).encode() + b"\n"


class Pending:
    """Rules and their ends."""

    def __init__(self) -> None:
        self._wills: dict[Rule, Will] = {}
        self._again: dict[Rule, float] = {}
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Some bytes of what ``told`` makes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            for words in message["drop"]:
                if (rule := parse(words)) is not None:
                    self.forget(rule)
            for words, zones, until in message["hold"]:
                if (rule := parse(words)) is not None:
                    self._wills[rule] = Will(rule, tuple(zones), until)
                    self._again.pop(rule, None)

    def forget(self, rule: Rule) -> None:
        self._wills.pop(rule, None)
        self._again.pop(rule, None)

    def put_off(self, rule: Rule, now: float) -> None:
        """It could not be ended: it is tried again."""
        self._again[rule] = now + AGAIN

    def all(self) -> Collection[Will]:
        return list(self._wills.values())

    def due(self, now: float) -> list[Will]:
        return [each for each in self._wills.values() if self._when(each) <= now]

    def next(self) -> float | None:
        """Steady seconds at which something is due; None: nothing is left."""
        return min(map(self._when, self._wills.values()), default=None)

    def _when(self, will: Will) -> float:
        return max(will.until, self._again.get(will.rule, will.until))
