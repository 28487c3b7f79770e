"""Drives a security group of AWS: a grant is an inbound rule for one address and one port.

In here: which rules are ours, and how they change. Not in here: the calls (aws_calls), the
rules of others, which are never touched.

A rule says in its description whose it is and when it ends: ``watchword NAME _exp_1700000060``.
One of another server that is long over is an orphan (its instance is gone), and is taken out as
well. AWS may list for a while what was true before a change, so what was changed here a moment ago
is believed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol

from watchword.edges.firewall.dated.aws_calls import GONE, AwsError, Inbound, ThrottledError
from watchword.edges.firewall.dated.aws_pace import SELDOM, Pace
from watchword.edges.firewall.dated.rule import DATED, Rule, Tool
from watchword.edges.firewall.plain import service_of
from watchword.errors import HostError
from watchword.model.openings import Feature, Hole

ORPHANED: Final = 60.0
"""Seconds after its end from which a rule of another server has nobody who takes it out."""
SETTLING: Final = 5.0
"""Seconds for which AWS may list what was there before."""
_OURS: Final = re.compile(rf"watchword ([A-Za-z0-9._-]{{1,63}}) {DATED.pattern}")


class Calls(Protocol):
    """What AWS can be asked (aws_calls.Group). Every method raises HostError."""

    def listed(self) -> dict[Inbound, str]: ...

    def glimpsed(self) -> dict[Inbound, str]: ...

    def printed(self) -> Iterator[str]: ...

    def authorize(self, rules: Collection[tuple[Inbound, str]]) -> None: ...

    def describe(self, rules: Collection[tuple[Inbound, str]]) -> None: ...

    def revoke(self, rules: Collection[Inbound]) -> None: ...


class SecurityGroup(Tool):
    """By calls to AWS; for whoever holds the lock."""

    features = frozenset({Feature.IPV4, Feature.IPV6, Feature.SELF_EXPIRY})
    look_seldom = SELDOM

    def __init__(
        self,
        calls: Calls,
        name: str,
        *,
        settling: float = SETTLING,
        look_every: float = 1.0,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``name``: of this server among those that may use the group."""
        self._calls = calls
        self._name = name
        self.look_every = min(look_every, 1.0)  # a grant may come, and then it is due at once
        self._pace = Pace(look_every, steady)
        self._settling = settling
        self._steady = steady
        self._wall = wall
        self._changed: dict[Inbound, tuple[str | None, float]] = {}
        """The description, None for a rule that was taken out, and since when."""

    def check(self) -> None:
        self._calls.listed()

    def prepare(self) -> None:
        """The group is the operator's, and so is which of their machines have it."""

    def stands(self) -> bool:
        return True

    def read(self) -> Sequence[Rule]:
        return self._rules(self._listed())

    def due(self, *, live: bool) -> bool:
        return self._pace.due(live=live)

    def look(self) -> Sequence[Rule]:
        self._pace.looks()
        try:
            listed = self._listed(self._calls.glimpsed)
        except ThrottledError:
            self._pace.slowed()
            raise
        self._pace.answered()
        return self._rules(listed)

    def _rules(self, listed: dict[Inbound, str]) -> list[Rule]:
        return [Rule(_hole(rule), ends) for rule, ends in self._ours(listed)]

    def change(self, take: Collection[Rule], put: Collection[Rule]) -> None:
        listed = self._listed()
        ours = dict(self._ours(listed))
        new = {_inbound(each): each.ends for each in put}
        if strange := [rule for rule in new if rule in listed and rule not in ours]:
            reached = ", ".join(sorted(str(rule.service) for rule in strange))
            raise HostError(
                f"the security group lets {strange[0].who} reach {reached} already, by a rule "
                f"that is not ours: '{listed[strange[0]]}'",
                hint="remove that rule, or leave that address to it",
            )
        gone = {_inbound(each) for each in take} & ours.keys() - new.keys()
        renewed = {rule: ends for rule, ends in new.items() if ours.get(rule, ends) != ends}
        fresh = {rule: ends for rule, ends in new.items() if rule not in ours}
        self._do(fresh, renewed, {rule: ours[rule] for rule in gone}, ours)

    def tidy(self, now: float) -> None:
        """Connections outlive their rules, and need nobody to look after them."""

    def line(self, rule: Rule) -> str:
        return f"{service_of(rule.hole)} from {rule.hole.who} {self._text(rule.ends)}"

    def shown(self, *, everything: bool) -> str:
        if everything:
            return "".join(f"{line}\n" for line in self._calls.printed())
        return "".join(sorted(f"{self.line(each)}\n" for each in self.read()))

    def remove(self) -> None:
        self.change(self.read(), ())

    def _do(
        self,
        fresh: dict[Inbound, int],
        renewed: dict[Inbound, int],
        gone: dict[Inbound, int],
        before: dict[Inbound, int],
    ) -> None:
        """Three calls at most; what was done is undone if a later one fails."""
        try:
            self._calls.describe(self._texts(renewed))
            self._calls.authorize(self._texts(fresh))
            self._revoke(gone)
        except HostError:
            self._undo(fresh, {rule: before[rule] for rule in renewed}, gone)
            raise
        since = self._steady()
        for rule, text in self._texts({**fresh, **renewed}):
            self._changed[rule] = text, since
        for rule in gone:
            self._changed[rule] = None, since

    def _undo(
        self, fresh: dict[Inbound, int], renewed: dict[Inbound, int], gone: dict[Inbound, int]
    ) -> None:
        """As far as it goes: whoever hears of the failure looks at all of it again."""
        self._changed.clear()
        try:
            listed = self._calls.listed()
            self._calls.revoke([rule for rule in fresh if rule in listed])
            self._calls.describe(self._texts({r: end for r, end in renewed.items() if r in listed}))
            self._calls.authorize(self._texts({r: e for r, e in gone.items() if r not in listed}))
        except HostError:
            return

    def _revoke(self, gone: Iterable[Inbound]) -> None:
        going = list(gone)
        try:
            self._calls.revoke(going)
        except AwsError as error:
            if error.code != GONE:
                raise
            there = self._calls.listed()
            self._calls.revoke([each for each in going if each in there])

    def _listed(self, ask: Callable[[], dict[Inbound, str]] | None = None) -> dict[Inbound, str]:
        """What AWS lists, with what was changed here since it may have made that list."""
        oldest = self._steady() - self._settling
        self._changed = {rule: each for rule, each in self._changed.items() if each[1] > oldest}
        listed = (ask or self._calls.listed)()
        for rule, (text, _) in self._changed.items():
            if text is None:
                listed.pop(rule, None)
            else:
                listed[rule] = text
        return listed

    def _ours(self, listed: dict[Inbound, str]) -> Iterator[tuple[Inbound, int]]:
        """Our rules and those of nobody any more, with their ends in Unix seconds."""
        now = self._wall()
        for rule, text in listed.items():
            found = _OURS.fullmatch(text)
            if found is None:
                continue
            ends = int(found[2])
            if found[1] == self._name or ends + ORPHANED < now:
                yield rule, ends

    def _texts(self, rules: dict[Inbound, int]) -> list[tuple[Inbound, str]]:
        return [(rule, self._text(ends)) for rule, ends in rules.items()]

    def _text(self, ends: int) -> str:
        return f"watchword {self._name} _exp_{ends}"


def _inbound(rule: Rule) -> Inbound:
    if rule.hole.destination is not None:
        raise HostError("a security group cannot limit a grant to one destination")
    return Inbound(rule.hole.who, service_of(rule.hole))


def _hole(rule: Inbound) -> Hole:
    return Hole(rule.who, rule.service)
