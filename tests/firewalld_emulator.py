"""A firewalld in memory, for tests.

In here: zones, rich rules, and their timeouts by a clock. Not in here: any packet.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from watchword.edges.firewall.firewalld.pending import Will
from watchword.edges.firewall.firewalld.rules import Rule, text
from watchword.edges.firewall.firewalld.talk import Firewalld, News, RefusedError, Zone, not_running
from watchword.ports import Clock


class EmulatedFirewalld:
    """Keeps rules in a dict. It can be ended, reloaded, and told to refuse."""

    def __init__(
        self, clock: Clock, zones: Mapping[str, Iterable[str]], named: Iterable[str] = ()
    ) -> None:
        """``zones``: those that are active, with the rules that are there; ``named``: others."""
        self.running = True
        self.starts = 1
        self.refuses = ""
        """A word; rules that have it are not taken."""
        self.active = {*zones}
        self.told: list[tuple[str, str, str]] = []
        """What was put and taken, in order: ``put`` or ``take``, the zone, the rule."""
        self.timeouts: list[int] = []
        """Of all rules that were put in."""
        self.offers: dict[str, Zone] = {}
        self.services: dict[str, Sequence[str]] = {}
        self._clock = clock
        self._rules: dict[str, dict[str, float | None]] = {
            **{name: {} for name in named},
            **{name: dict.fromkeys(rules) for name, rules in zones.items()},
        }
        self._woken = asyncio.Event()
        self._news: list[str | None] = []
        """Rules that came or went; None: something else happened."""

    def families(self) -> frozenset[int]:
        self._check()
        return frozenset((4, 6))

    def incarnation(self) -> str:
        self._check()
        return f":1.{self.starts}"

    def restart(self) -> None:
        """As after a kill: what had a timeout is forgotten."""
        self.running = True
        self.starts += 1
        self.reload()

    def zones(self) -> frozenset[str]:
        self._check()
        return frozenset(self.active)

    def all_zones(self) -> frozenset[str]:
        self._check()
        return frozenset(self._rules)

    def rules(self, zone: str) -> Sequence[str]:
        self._check()
        now = self._clock.now().steady
        rules = self._rules.get(zone, {})
        return [rule for rule, ends in rules.items() if ends is None or ends > now]

    def zone(self, name: str) -> Zone:
        self._check()
        return self.offers.get(name, Zone("default", (), ()))

    def service_ports(self, name: str) -> Sequence[str]:
        self._check()
        return self.services[name]

    def put(self, zone: str, rule: str, seconds: int) -> None:
        self._check()
        if zone not in self._rules or (self.refuses and self.refuses in rule):
            raise RefusedError(f"firewalld refuses: {zone}, {rule}")
        self.timeouts.append(seconds)
        self.told.append(("put", zone, rule))
        self._rules[zone][rule] = self._clock.now().steady + seconds
        self.tell(rule)

    def take(self, zone: str, rule: str) -> None:
        self._check()
        self.told.append(("take", zone, rule))
        self._rules.get(zone, {}).pop(rule, None)
        self.tell(rule)

    def tell(self, rule: str | None) -> None:
        """As a signal on the bus."""
        self._news.append(rule)
        self._woken.set()

    async def news(self) -> AsyncIterator[News]:
        while True:
            await self._woken.wait()
            self._woken.clear()
            rules = [each for each in self._news if each is not None]
            news = rules if len(rules) == len(self._news) else None
            self._news.clear()
            yield news

    def end(self, will: Will) -> None:
        """As whoever ends rules on time does."""
        for zone in will.zones:
            self.take(zone, text(will.rule))

    def vanish(self, zone: str) -> None:
        """Nothing can be put into it, though it is active."""
        del self._rules[zone]

    def reload(self) -> None:
        """Forget what has a timeout."""
        for rules in self._rules.values():
            for rule in [rule for rule, ends in rules.items() if ends is not None]:
                del rules[rule]
        self.tell(None)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _check(self) -> None:
        if not self.running:
            raise not_running()


class NoHeir:
    """Ends nothing; what it was told can be looked at."""

    def __init__(self, exe: str = "") -> None:
        self.alive = True
        self.wills: dict[Rule, Will] = {}

    def tell(self, hold: Iterable[Will] = (), drop: Iterable[Rule] = ()) -> None:
        for rule in drop:
            self.wills.pop(rule, None)
        self.wills.update({each.rule: each for each in hold})


_: type[Firewalld] = EmulatedFirewalld
