"""The firewall backend for firewalls whose rules say when they end.

In here: the methods of the port. Not in here: rules of one kind of firewall (ipfw, pf, ipf, netsh),
what is known of them (known), who ends them when we are dead (heir).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from pathlib import Path

from watchword.edges.firewall.dated.heir import Heir, SharedHeir
from watchword.edges.firewall.dated.known import Entry, Known
from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.rule import Rule, SlowerError, Tool
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.plain import service_of
from watchword.edges.firewall.wanted import wanted
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Feature, Hole, Opening, Tag
from watchword.ports import Clock, FirewallBackend, KeepsNoTags, ProgramRunner


class DatedFirewall:
    """Openings as rules that say when they end; a process that outlives this one ends them."""

    slow = True

    def __init__(
        self,
        settings: FirewallSettings,
        lock: Path,
        *,
        programs: ProgramRunner,
        clock: Clock,
        heir: Callable[[FirewallSettings, Path], Heir] = SharedHeir,
        tools: Callable[[FirewallSettings, ProgramRunner, Path], Tool] = tool_for,
    ) -> None:
        """``lock``: a file of our own, in a folder of our own."""
        self.name = settings.backend
        self._settings = settings
        self._clock = clock
        self._lock = Lock(lock)
        self._tool = tools(settings, programs, lock.parent)
        self._make_heir = heir
        self._heir: Heir | None = None
        self._known = Known()
        self._prepared = False
        self._doubted = True
        """Others changed something, or nothing was made yet, and it is not put right."""
        self._fresh = False
        """It was prepared, and nothing was applied since."""

    def probe(self) -> frozenset[Feature]:
        """See if the program is there and may be used. Changes nothing. Raises HostError."""
        self._tool.check()
        return self._tool.features

    def prepare(self) -> int:
        """Make what rules hang on, and have somebody there who ends them. Raises HostError."""
        self._tool.check()
        with self._lock.held():
            self._tool.prepare()
        if self._heir is None or not self._heir.alive:
            if self._heir is not None:
                self._heir.close()
            self._heir = self._make_heir(self._settings, self._lock.path)
        self._prepared = self._fresh = True
        self._doubted = False
        return 0

    def installed(self) -> frozenset[Tag]:
        """Read back the openings in force, and what looks like one. Raises HostError."""
        with self._lock.held():
            surprising = self._known.compare(self._tool.read(), self._clock.now())
        self._doubted = self._doubted or surprising
        return self._known.tags()

    def recognise(self, openings: Iterable[Opening]) -> frozenset[Tag]:
        """Read back the openings in force, knowing which there may be: of an earlier run."""
        self.installed()
        now = self._clock.now()
        for each in openings:
            ends = _ends(each, now)
            # One more or less: the clocks may have been set since.
            self._known.claim(each, [Rule(each.hole, ends + by) for by in (0, -1, 1)])
        return self._known.tags()

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it. Raises HostError."""
        if not self._prepared:
            raise HostError(f"{self.name} was not prepared yet")
        now = self._clock.now()
        put = {each.tag: self._entry(each, now) for each in self._wanted(change.add, now)}
        take = {tag for tag in change.remove if tag in self._known and tag not in put}
        for entry in put.values():
            before = None if entry.hole is None else self._known.standing(entry.hole)
            if before is not None and before not in put:
                take.add(before)
        with self._lock.held():
            new = {entry.rule for entry in put.values()}
            if take or put:
                self._tool.change(self._known.rules(take) - new, new)
            self._known.forget(take)
            for tag, entry in put.items():
                self._known.note(tag, entry)
        if self._heir is not None and put:
            self._heir.look()
        if self._fresh:  # and whoever prepared has seen what was missing
            self._doubted = self._fresh = False

    def cut(self, holes: Collection[Hole]) -> int:
        """Raises HostError: connections have states of their own."""
        raise HostError(
            f"connections that {self.name} let in are not cut",
            hint="end them where they arrive",
        )

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``. Raises HostError."""
        try:
            return self._prepared and not self._doubted and self._undisturbed()
        except SlowerError:
            return True  # as far as anybody knows

    async def disturbances(self) -> AsyncIterator[None]:
        """Yields when other hands may have changed what is ours; for one consumer."""
        while True:
            await asyncio.sleep(self._tool.look_every)
            due = self._prepared and self._tool.due(live=bool(self._known.tags()))
            if due and not await asyncio.to_thread(self._undisturbed_or_broken):
                yield

    def teardown(self) -> None:
        """Take out everything that is ours. Raises HostError."""
        with self._lock.held():
            self._tool.remove()
            self._known = Known()
        self._prepared, self._doubted = False, True

    def withdraw(self) -> int:
        """Take out every rule that looks like a grant; return how many.

        For when no server runs, which would end them. Raises HostError.
        """
        with self._lock.held():
            going = set(self._tool.read())
            self._tool.change(going, ())
        return len(going)

    def rehearsed(self, openings: Iterable[Opening]) -> tuple[list[str], list[str]]:
        """Its rules as they are, and as they would be with these. Raises HostError."""
        now = self._clock.now()
        with self._lock.held():
            before = set(self._tool.read())
        new = {self._entry(each, now).rule for each in self._wanted(openings, now)}
        renewed = {each.hole for each in new}
        after = {each for each in before if each.hole not in renewed} | new
        return sorted(map(self._tool.line, before)), sorted(map(self._tool.line, after))

    def close(self) -> None:
        """Leave what is open to the heir, until the last opening has ended."""
        if self._heir is not None:
            self._heir.close()
        self._heir = None

    def _undisturbed(self) -> bool:
        if self._heir is not None and not self._heir.alive:
            return False
        with self._lock.held():
            if not self._tool.stands():
                return False
            return self._known.agrees(self._tool.look(), self._clock.now())

    def _undisturbed_or_broken(self) -> bool:
        """Something that cannot be looked at is looked at again by whoever is woken."""
        try:
            return self._undisturbed()
        except SlowerError:
            return True
        except HostError:
            return False

    def _wanted(self, openings: Iterable[Opening], now: Moment) -> list[Opening]:
        """What is neither over nor there yet. Raises HostError: it cannot be opened here."""
        found = wanted(openings, now.steady)
        for hole in found:
            service_of(hole)
        return [each for each in found.values() if each.tag not in self._known]

    def _entry(self, opening: Opening, now: Moment) -> Entry:
        return Entry(Rule(opening.hole, _ends(opening, now)), opening.until, opening.hole)


def _ends(opening: Opening, now: Moment) -> int:
    # The half millisecond is what rounding took from ``until``.
    return math.floor(now.wall + opening.until - now.steady + 0.0005)


_: tuple[type[FirewallBackend], type[KeepsNoTags]] = (DatedFirewall, DatedFirewall)
