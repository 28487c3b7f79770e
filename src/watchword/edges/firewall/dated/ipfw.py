"""Drives ipfw, of FreeBSD: one set for rules in force, a disabled one for rules that are over.

In here: the order of its commands. Not in here: their text (ipfw_text), when rules end that were
moved back (ipfw_ends).

A rule that is over is moved to the disabled set, where it lets nobody in and its dynamic rules
live on: connections are not cut. When its caller comes again, it is moved back, as with 1.9; when
it has no dynamic rules any more, it is deleted. Rules of one caller that end together share a
number; ``set move rule`` moves all of a number. Source: fwknopd server, sections 9.3 and 12.3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from watchword.edges.firewall.dated.ipfw_ends import Ends, Said
from watchword.edges.firewall.dated.ipfw_text import Line, body, lines, with_dynamic
from watchword.edges.firewall.dated.rule import Rule, Tool
from watchword.edges.firewall.dated.running import Program, Step
from watchword.errors import HostError
from watchword.model.firewalls import IpfwSettings
from watchword.model.openings import Hole

_LAST = 65534  # 65535 is the rule that is always there
FULL = "Access request rejected: Maximum allowed number of rules has been reached."


class Ipfw(Tool):
    """By the program ``ipfw``; for whoever holds the lock."""

    def __init__(
        self, program: Program, settings: IpfwSettings, folder: Path | None = None
    ) -> None:
        """``folder``: for what rules that are in force again cannot say."""
        self._program = program
        self._settings = settings
        self._ends = Ends(folder)
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
        going = {each.number for each in standing if each.rule in take}
        wanted = _wanted(standing, going, set(take), put)
        again = self._again(standing, over, wanted)
        self._program.run_all(self._steps(standing, over, going, wanted, again))

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
        return f"Active Rules:\n{active}\nExpired Rules:\n{expired}{self._renewed(active)}"

    def _renewed(self, active: str) -> str:
        """Which rules end at another time than they say."""
        ends = self._ends.read()
        found = {each.number: ends[each.key] for each in lines(active) if each.key in ends}
        said = [f"{number:05d} _exp_{at}" for number, at in sorted(found.items())]
        return "".join(f"{each}\n" for each in ["\nRenewed Rules:", *said]) if said else ""

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
        ends = self._ends.read()
        listing = self._program.run("set", self._active, "list")
        return [_as_it_ends(each, ends) for each in lines(listing)]

    def _disabled(self) -> list[Line]:
        return list(lines(self._program.run("-S", "set", self._expire, "list")))

    def _again(
        self, standing: Sequence[Line], over: Sequence[Line], wanted: Collection[Rule]
    ) -> Mapping[int, frozenset[Rule]]:
        """Numbers of rules that are over and say, but for the end, what is wanted.

        When they end has been written down; where it cannot be, there are none. Where rules keep no
        state there are none either, as with 1.9.
        """
        found = dict(_same_but_for_the_end(over, wanted)) if self._stateful else {}
        if not found:
            return {}
        there = {each.key for each in (*standing, *over) if each.key is not None}
        ends = {key: each.ends for key in there for each in found.get(key.number, ())}
        return found if self._ends.note(ends, there) else {}

    def _steps(
        self,
        standing: Sequence[Line],
        over: Sequence[Line],
        going: Collection[int],
        wanted: Collection[Rule],
        again: Mapping[int, frozenset[Rule]],
    ) -> Iterator[Step]:
        """New rules come before old ones go."""
        for number in sorted(again):
            yield self._move(number, self._expire, self._active)
        new = set(wanted).difference(*again.values())
        yield from self._additions(new, {each.number for each in (*standing, *over)})
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


def _as_it_ends(line: Line, ends: Mapping[Said, int]) -> Line:
    key = line.key if ends else None
    return line if key is None else line._replace(ends=ends.get(key))


def _wanted(
    standing: Sequence[Line], going: Collection[int], take: Collection[Rule], put: Iterable[Rule]
) -> set[Rule]:
    """What has to be in force and is not, or not under a number that stays."""
    staying = {each.rule for each in standing if each.number in going and each.rule not in take}
    there = {each.rule for each in standing if each.number not in going}
    return {rule for rule in (*put, *staying) if rule is not None and rule not in there}


def _same_but_for_the_end(
    over: Iterable[Line], wanted: Iterable[Rule]
) -> Iterator[tuple[int, frozenset[Rule]]]:
    """Of the rules that are over, numbers with what is wanted, each of which is needed."""
    left = set(wanted)
    for number, holes in _by_number(over).items():
        for ends in sorted({each.ends for each in left if each.hole in holes}, reverse=True):
            rules = frozenset(Rule(hole, ends) for hole in holes)
            if rules <= left:
                left -= rules
                yield number, rules
                break


def _by_number(listed: Iterable[Line]) -> dict[int, set[Hole]]:
    """What rules are for that have a number together; numbers with any others are left out."""
    found: dict[int, set[Hole]] = {}
    mixed = set()
    for each in listed:
        if each.rule is not None and each.as_ours:
            found.setdefault(each.number, set()).add(each.rule.hole)
        else:
            mixed.add(each.number)
    return {number: holes for number, holes in found.items() if number not in mixed}
