"""Drives ipfw, of FreeBSD: one set for rules in force, a disabled one for rules that are over.

In here: the order of its commands. Not in here: their text (ipfw_text).

A rule that is over is moved to the disabled set, where it lets nobody in and its dynamic rules
live on: connections are not cut. When it has none any more, it is deleted. Rules of one caller
that end together share a number; ``set move rule`` moves all of a number. Source: fwknopd server,
section 9.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from watchword.edges.firewall.dated.ipfw_text import Line, body, lines, with_dynamic
from watchword.edges.firewall.dated.rule import Rule, Tool
from watchword.edges.firewall.dated.running import Program, Step
from watchword.errors import HostError
from watchword.model.firewalls import IpfwSettings

_LAST = 65534  # 65535 is the rule that is always there
FULL = "Access request rejected: Maximum allowed number of rules has been reached."


class Ipfw(Tool):
    """By the program ``ipfw``; for whoever holds the lock."""

    def __init__(self, program: Program, settings: IpfwSettings) -> None:
        self._program = program
        self._settings = settings
        self._active, self._expire = str(settings.active), str(settings.expire)
        self._others: frozenset[int] | None = None
        """Numbers of rules that are not ours, as they were found; None: not looked at yet."""
        self._stateful = True
        self._purged = float("-inf")

    def check(self) -> None:
        self._program.run("set", self._active, "list")

    def prepare(self) -> None:
        before = self._listed()
        self._survey(before)
        if self._settings.check_state and not _has_check_state(before):
            start = str(self._settings.start)
            self._program.run("add", start, "set", self._active, "check-state")
        self._program.run("set", "disable", self._expire)
        everything = self._program.run("-S", "set", self._active, "list")
        if any(each.disabled for each in lines(everything)):
            self._program.run("set", "enable", self._active)

    def stands(self) -> bool:
        return not self._settings.check_state or _has_check_state(self._listed())

    def read(self) -> Sequence[Rule]:
        return [each.rule for each in self._listed() if each.rule is not None]

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        standing, over = self._listed(), self._disabled()
        if self._others is None:
            self._survey(standing)
        self._program.run_all(self._steps(standing, over, set(take), set(put)))

    def tidy(self, now: float) -> None:
        """Delete rules that are over and have no dynamic rules, as often as is asked for."""
        if now < self._purged + self._settings.purge:
            return
        listing = self._program.run("-d", "set", self._expire, "list")
        living = with_dynamic(listing)
        # Disabled rules are listed with -S only: both are looked at.
        over = {each.number for each in (*lines(listing), *self._disabled()) if each.rule}
        for number in sorted(over - living):
            self._program.run("set", self._expire, "delete", str(number))
        self._purged = now

    def line(self, rule: Rule) -> str:
        return " ".join(["set", self._active, *body(rule, stateful=self._stateful)])

    def shown(self, *, everything: bool) -> str:
        if everything:
            return self._program.run("list")
        active, expired = (
            self._program.run("-d", "-S", "-T", "set", number, "list")
            for number in (self._active, self._expire)
        )
        return f"Active Rules:\n{active}\nExpired Rules:\n{expired}"

    def remove(self) -> None:
        if self._listed():
            self._program.run("delete", "set", self._active)

    def _survey(self, ours: Sequence[Line]) -> None:
        """Learn which numbers others use, and whether their rules keep state."""
        policy = list(lines(self._program.run("list")))
        if self._settings.as_policy and not self._settings.check_state:
            self._stateful = any(each.stateful and each.rule is None for each in policy)
        self._others = frozenset(each.number for each in policy) - {each.number for each in ours}

    def _listed(self) -> list[Line]:
        return list(lines(self._program.run("set", self._active, "list")))

    def _disabled(self) -> list[Line]:
        return list(lines(self._program.run("-S", "set", self._expire, "list")))

    def _steps(
        self, standing: Sequence[Line], over: Sequence[Line], take: set[Rule], put: set[Rule]
    ) -> Iterator[Step]:
        """New rules come before old ones go."""
        going = {each.number for each in standing if each.rule in take}
        staying = {
            each.rule for each in standing if each.number in going and each.rule not in take
        } - {None}
        there = {each.rule for each in standing if each.number not in going}
        wanted = {rule for rule in (*put, *staying) if rule is not None and rule not in there}
        for number, rules in _by_number(over).items():
            if rules and rules <= wanted:
                wanted -= rules
                yield self._move(number, self._expire, self._active)
        yield from self._additions(wanted, {each.number for each in (*standing, *over)})
        for number in sorted(going):
            yield self._move(number, self._active, self._expire)

    def _move(self, number: int, here: str, there: str) -> Step:
        how = ["set", "move", "rule", str(number), "to"]
        return [*how, there], [*how, here]

    def _additions(self, wanted: Iterable[Rule], used: set[int]) -> Iterator[Step]:
        """One number for each caller and end."""
        groups: dict[object, list[Rule]] = {}
        for rule in sorted(wanted, key=lambda each: (str(each.hole.who), each.ends, str(each))):
            groups.setdefault((rule.hole.who, rule.ends), []).append(rule)
        free = self._free(used)
        for rules in groups.values():
            number = next(free, None)
            if number is None:
                raise HostError(FULL, hint="raise IPFW_MAX_RULES")
            for rule in rules:
                words = body(rule, stateful=self._stateful)
                yield (
                    ["add", str(number), "set", self._active, *words],
                    ["set", self._active, "delete", str(number)],
                )

    def _free(self, used: set[int]) -> Iterator[int]:
        start = self._settings.start
        end = min(start + self._settings.most, _LAST + 1)
        taken = used | (self._others or frozenset())
        return (each for each in range(max(1, start), end) if each not in taken)


def _has_check_state(listed: Iterable[Line]) -> bool:
    return any(each.text.startswith("check-state") for each in listed)


def _by_number(listed: Iterable[Line]) -> dict[int, set[Rule]]:
    """Rules that have a number together; of a number with anything else, none."""
    found: dict[int, set[Rule]] = {}
    mixed = set()
    for each in listed:
        if each.rule is None:
            mixed.add(each.number)
        else:
            found.setdefault(each.number, set()).add(each.rule)
    return {number: set() if number in mixed else rules for number, rules in found.items()}
