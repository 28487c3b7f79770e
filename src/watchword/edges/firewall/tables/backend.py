"""The firewall backend for iptables and ip6tables.

In here: the methods of the port, and the order in which the parts do their
work. Not in here: the parts. Rules of openings: rules. What is known of them:
known. Our chains: structure. The process that puts rules in and ends them on
time: ward, warden.

The chains and rules are those of fwknopd, for both IP versions.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.cutting import cut_off
from watchword.edges.firewall.slipped import Slipped, Told, tell_nobody
from watchword.edges.firewall.tables import abilities
from watchword.edges.firewall.tables.batches import by_table, script
from watchword.edges.firewall.tables.chains import Branch
from watchword.edges.firewall.tables.claim import Claim
from watchword.edges.firewall.tables.known import Held, Known, counted
from watchword.edges.firewall.tables.listing import Line
from watchword.edges.firewall.tables.rules import is_grant, lines
from watchword.edges.firewall.tables.structure import Structure
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.firewall.tables.ward import Ward
from watchword.edges.firewall.wanted import wanted
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Feature, Hole, Opening, Tag
from watchword.ports import Clock, FirewallBackend, KeepsNoTags, ProgramRunner
from watchword.record import record

_WAIT_FOR_WARD = 0.25  # seconds between two looks whether there is one yet


@record
class _Parts:
    """What it works with on this host."""

    versions: tuple[int, ...]
    legacy: bool
    """Whether the tables are the kernel's old ones."""
    structure: Structure


class TablesFirewall:
    """Openings as rules of iptables, ended by a process that outlives this one.

    It works on the network namespace of the thread that first calls it, and
    needs root, or CAP_NET_ADMIN and CAP_NET_RAW, there.
    """

    name = "iptables"
    slow = True

    def __init__(
        self,
        settings: FirewallSettings,
        *,
        programs: ProgramRunner,
        clock: Clock,
        told: Told = tell_nobody,
    ) -> None:
        self._settings = settings
        self._bars = Bars(settings, programs)
        self._tools = Tools(settings.exe, programs)
        self._clock = clock
        self._known = Known()
        self._slipped = Slipped(settings, self._bars, clock, told)
        self._slipped.holes = self._holes
        self._opened: _Parts | None = None
        self._claim: Claim | None = None
        self._ward: Ward | None = None
        self._doubted = True
        """Others changed something, or nothing was made yet, and it is not put right."""
        self._fresh = False
        """It was prepared, and nothing was applied since."""

    def probe(self) -> frozenset[Feature]:
        """See if programs and privileges are there, and the operator's chains. Changes nothing.

        Raises HostError with a remedy.
        """
        parts = self._parts
        what_for = "keep comments, which say when a grant ends"
        abilities.require(self._tools, parts.versions, "comment", what_for)
        if self._settings.secret_ports:
            what_for = "tell which port a connection came for (SECRET_PORTS)"
            abilities.require(self._tools, parts.versions, "conntrack", what_for)
        parts.structure.check()
        able = abilities.of_chains(self._settings, parts.versions)
        if self._settings.leads:
            able |= {Feature.LOCAL_NAT, Feature.FORWARD, Feature.FORWARD_ALL}
            if self._settings.seen_as:
                able.add(Feature.SOURCE_NAT)
        return frozenset(able)

    def prepare(self) -> int:
        """Make the chains stand, and have somebody there who ends openings. Raises HostError."""
        parts = self._parts
        if self._claim is None:
            place = f"the chain {self._settings.input.chain}"
            self._claim = Claim(place, "give this one a chain of its own with IPT_INPUT_ACCESS")
        disturbed = self._slipped.watches and (self._doubted or not parts.structure.stands())
        self._doubted = self._doubted or disturbed  # also if what follows fails
        parts.structure.build()
        if self._ward is None or not self._ward.alive:
            self._ward = Ward(
                self._settings.exe,
                parts.structure.chains,
                legacy=parts.legacy,
                prepend=self._settings.prepend,
                pace=self._settings.pace,
                everything=self._slipped.watches,
            )
            self._ward.hold(self._known.entries())
        self._ward.forget()
        if not parts.structure.stands():
            raise HostError("somebody else changes what was just made", hint="see iptables -S")
        self._doubted, self._fresh = False, True
        self._slipped.stands(disturbed=disturbed)
        return 0

    def installed(self) -> frozenset[Tag]:
        """Read back the openings in force. None where the chains are gone."""
        self._learn(counted(self._parts.structure.ours()))
        return self._known.tags()

    def recognise(self, openings: Iterable[Opening]) -> frozenset[Tag]:
        """Read back the openings in force, knowing which there may be: of an earlier run."""
        self.installed()
        now = self._clock.now()
        wanted = (each for each in openings if each.tag not in self._known)
        strays, claimed = self._known.claim(wanted, lambda each: self._forms(each, now))
        if claimed and self._ward is not None and self._ward.alive:
            self._ward.hold(claimed, instead=strays)
        return self._known.tags()

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it.

        Raises HostError, also for an address of a family that this host has no tables for.
        """
        if self._ward is None:
            raise HostError("the chains of iptables were not made yet")
        now = self._clock.now()
        put = {each.tag: self._held(each, now) for each in self._new(change.add, now)}
        take = {tag for tag in change.remove if tag in self._known and tag not in put}
        for held in put.values():
            before = None if held.hole is None else self._known.standing(held.hole)
            if before is not None and before not in put:
                take.add(before)
        if take or put:
            self._ward.change(take, {tag: (held.until, held.lines) for tag, held in put.items()})
        over = self._known.holes(take)
        self._known.forget(take)
        for tag, held in put.items():
            self._known.note(tag, held)
        self._slipped.ended(over)
        if self._fresh:  # and whoever prepared has seen what was missing
            self._doubted = self._fresh = False

    def cut(self, holes: Collection[Hole]) -> int:
        """End connections that came in through holes that are shut. Raises HostError."""
        return cut_off(holes, self._known.in_force(self._clock.now()), self._bars)

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``."""
        if self._doubted or self._ward is None or not self._ward.alive:
            return False
        try:
            if not self._ward.look():
                self._slipped.tend()
                return True
            self._ward.forget()
            self._doubted = True  # until it is seen what they did
            read = self._parts.structure.read()
        except HostError:
            return False
        found = counted(self._parts.structure.ours(read))
        if not (
            self._parts.structure.stands(read) and self._known.agrees(found, self._clock.now())
        ):
            return False
        self._doubted = False
        self._learn(found)
        self._slipped.judge()  # it may be what hides that they changed
        return True

    async def disturbances(self) -> AsyncIterator[None]:
        """Yields when others may have changed what is ours; for one consumer."""
        while True:
            ward = self._ward
            if ward is None or not ward.alive:
                await asyncio.sleep(_WAIT_FOR_WARD)
                continue
            async for _ in ward.wakings():
                yield

    def teardown(self) -> None:
        """Remove our chains, with the openings in them, and the calls of them."""
        if self._ward is not None and self._ward.alive:
            self._ward.change(self._known.tags(), {})
        self._parts.structure.remove()
        self._bars.remove()
        if self._ward is not None and self._ward.alive:
            self._ward.dismiss()
        self._known = Known()
        self._doubted = True

    def withdraw(self) -> int:
        """Take out every rule that looks like a grant, and leave the chains; return how many.

        For when no server runs, which would end them. Raises HostError.
        """
        found = counted(self._parts.structure.ours())
        going = [line for line in found.elements() if is_grant(line.rule)]
        for (version, table), batch in by_table(going, ()).items():
            self._tools.restore(version, script(table, batch, None, prepend=False))
        return len(going)

    def close(self) -> None:
        """Let the warden go on alone, until the last opening has ended."""
        if self._ward is not None:
            self._ward.close()
        if self._claim is not None:
            self._claim.close()
        self._ward = self._claim = None

    def _holes(self) -> Iterable[Hole]:
        return self._known.holes()

    def _new(self, openings: Iterable[Opening], now: Moment) -> Iterator[Opening]:
        """What is neither over nor there yet."""
        for each in wanted(openings, now.steady).values():
            if each.hole.who.version not in self._parts.versions:
                raise HostError(f"nothing here lets IPv{each.hole.who.version} in")
            if each.tag not in self._known:
                yield each

    def _held(self, opening: Opening, now: Moment) -> Held:
        # The half millisecond is what rounding took from ``until``.
        ends = math.floor(now.wall + opening.until - now.steady + 0.0005)
        return Held(opening.hole, opening.until, self._lines(opening.hole, ends))

    def _forms(self, opening: Opening, now: Moment) -> Iterator[tuple[Line, ...]]:
        """What its rules may be, by clocks that were set since."""
        ends = math.floor(now.wall + opening.until - now.steady + 0.0005)
        for each in (ends, ends - 1, ends + 1):
            yield self._lines(opening.hole, each)

    def _lines(self, hole: Hole, ends: int) -> tuple[Line, ...]:
        return lines(hole, ends, self._settings)

    def _learn(self, found: Counter[Line]) -> None:
        before = self._known.holes() if self._slipped.watches else ()
        surprising, foreign = self._known.compare(found, self._clock.now())
        if before:
            self._slipped.ended(set(before).difference(self._known.holes()))
        self._doubted = self._doubted or surprising
        if foreign and self._ward is not None and self._ward.alive:
            self._ward.hold(foreign)

    @property
    def _parts(self) -> _Parts:
        """Found out when first needed. Raises HostError: this host lacks something."""
        if self._opened is None:
            settings = self._settings
            versions = self._tools.versions(settings.input.table)
            branches = [Branch(version, use) for version in versions for use in settings.chains]
            structure = Structure(branches, self._tools)
            self._opened = _Parts(versions, self._tools.is_legacy(), structure)
        return self._opened


_: tuple[type[FirewallBackend], type[KeepsNoTags]] = (TablesFirewall, TablesFirewall)
