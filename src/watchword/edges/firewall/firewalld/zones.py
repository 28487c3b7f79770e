"""Rules of ours in the zones of firewalld.

In here: which zones, what is there, and one change of all of them. Not in here: which openings that
is for (backend, known), what becomes of rules when nobody here can (heir).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final

from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.heir import Heir
from watchword.edges.firewall.firewalld.known import Entry, Found
from watchword.edges.firewall.firewalld.pending import Will
from watchword.edges.firewall.firewalld.rules import Rule, parse, text
from watchword.edges.firewall.firewalld.talk import Firewalld, NotRunningError
from watchword.errors import HostError
from watchword.model.firewalls import FirewalldSettings
from watchword.model.openings import Hole
from watchword.ports import Clock

LATE: Final = 0.8
"""Seconds by which firewalld may end a rule after its timeout: it counts them in bundles."""


class ZoneRules:
    """What is ours in one firewalld. Methods raise HostError."""

    def __init__(
        self, settings: FirewalldSettings, firewalld: Firewalld, ending: Ending, clock: Clock
    ) -> None:
        self.priorities = (settings.priority, settings.priority + 1)
        """By which our rules are known."""
        self._named = frozenset(settings.zones)
        self._firewalld = firewalld
        self._ending = ending
        self._clock = clock
        self._touched: set[str] = set()
        """Zones that may have rules of ours."""
        self._incarnation = ""
        """Of the firewalld in whose tables nothing is left of another one."""

    def found(self) -> Found:
        """The rules that are ours, in each zone that packets may come to."""
        found = {zone: self._of(zone) for zone in self._places()}
        self._touched |= found.keys()
        return found

    def check(self) -> None:
        """See that they mean something: firewalld does not notice who flushes its tables."""
        self._ending.check()

    def will(self, entry: Entry) -> Will:
        """What somebody else has to know to end it."""
        return Will(entry.rule, tuple(self._touched), entry.until)

    def change(self, put: Collection[Entry], take: Collection[Entry], heir: Heir) -> None:
        """All or nothing; new rules first, so that who is let in by both is never kept out."""
        new = {entry.rule for entry in put}
        going = [entry.rule for entry in take if entry.rule not in new]
        places = self._places() if put else frozenset()
        self._touched |= places
        heir.tell(hold=map(self.will, put))
        try:
            for entry in put:
                self._put(entry, places)
            for rule in going:
                self._ending.take(rule, self._touched)
            self._sweep_after_a_restart({rule.hole for rule in going})
        except HostError:
            self._undo(new, take, heir)
            raise
        heir.tell(drop=going)

    def sweep(self, holes: Collection[Hole]) -> None:
        """What a firewalld was killed with is in the kernel still when another one is there.

        ``holes``: all that may be open.
        """
        self._incarnation = self._firewalld.incarnation()
        self._ending.sweep(holes, self._touched)

    def clear(self) -> None:
        """Take out everything that is ours, in whichever zone."""
        for zone in self._firewalld.all_zones():
            for rule in self._of(zone):
                self._ending.take(rule, [zone])

    def _sweep_after_a_restart(self, holes: Collection[Hole]) -> None:
        """Of these alone: for the others it is still to be done."""
        with suppress(NotRunningError):
            if holes and self._firewalld.incarnation() != self._incarnation:
                self._ending.sweep(holes, self._touched)

    def _undo(self, new: Collection[Rule], take: Iterable[Entry], heir: Heir) -> None:
        """As it was, as far as that can be; whoever hears of the error looks at all of it."""
        with suppress(HostError):
            for rule in new:
                self._ending.take(rule, self._touched)
            heir.tell(drop=new)
            for entry in take:
                if not entry.stray:
                    self._put(entry, self._places())

    def _put(self, entry: Entry, zones: Iterable[str]) -> None:
        left = entry.until - self._clock.now().steady
        if left > 0:
            timeout = max(1, math.floor(left - LATE))
            for zone in sorted(zones):
                self._firewalld.put(zone, text(entry.rule), timeout)

    def _of(self, zone: str) -> list[Rule]:
        """The rules of a zone that are ours."""
        rules = map(parse, self._firewalld.rules(zone))
        return [each for each in rules if each is not None and each.priority in self.priorities]

    def _places(self) -> frozenset[str]:
        """The zones that rules are to be in."""
        return self._named or self._firewalld.zones()


def printed(rules: Mapping[str, Collection[str]]) -> list[str]:
    """Zones with their rich rules, a line each, for a person."""
    return [
        line
        for zone in sorted(rules)
        for line in (f"zone {zone}", *(f"  {each}" for each in sorted(rules[zone])))
    ]
