"""The firewall backend for ipset.

In here: the methods of the port, and the order in which the parts do their
work. Not in here: the parts. Members: sets. Our chain: tables.chains. Who
changes it: tables.watch.

One chain of iptables holds two rules, however many openings there are: one
lets in whom the set has for a service, one whom it has for a service at one of
this host's addresses. Members are put in by netlink; they end in the kernel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.cutting import cut_off
from watchword.edges.firewall.ipset.sets import OpeningSets, Place
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.slipped import Slipped, Told, tell_nobody
from watchword.edges.firewall.tables import abilities
from watchword.edges.firewall.tables.chains import Branch
from watchword.edges.firewall.tables.claim import Claim
from watchword.edges.firewall.tables.structure import Structure
from watchword.edges.firewall.tables.tools import Tools
from watchword.edges.firewall.tables.watch import Watch, watch_for
from watchword.errors import HostError
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.model.openings import ChangeSet, Feature, Hole, Tag
from watchword.ports import Clock, FirewallBackend, ProgramRunner
from watchword.record import record

LOOK_EVERY = 0.25
"""Seconds between two looks whether others changed something; a look costs some system calls."""
_SHARE = 0.01
"""Of the time may be spent on looking: the kernel counts members one by one."""
_RELEASE_SECONDS = 2.0


@record
class _Parts:
    """What it works with on this host."""

    versions: tuple[int, ...]
    netlink: Netlink
    sets: OpeningSets
    structure: Structure
    watch: Watch


class IpsetFirewall:
    """Openings in ipset, let in by a chain that an operator's chain calls.

    It works on the network namespace of the thread that first calls it, and
    needs CAP_NET_ADMIN there.
    """

    name = "ipset"
    slow = False

    def __init__(
        self,
        settings: FirewallSettings,
        *,
        programs: ProgramRunner,
        clock: Clock,
        told: Told = tell_nobody,
    ) -> None:
        self._settings = settings
        self._tools = Tools(settings.exe, programs)
        self._clock = clock
        self._slipped = Slipped(settings, Bars(settings, programs), clock, told)
        self._slipped.holes = self._holes
        self._opened: _Parts | None = None
        self._claim: Claim | None = None
        self._stood = False
        self._fresh = False
        """It was prepared, and nothing was applied since."""

    def probe(self) -> frozenset[Feature]:
        """See if kernel, programs and privileges are there. Changes nothing.

        Raises HostError with a remedy.
        """
        parts = self._parts
        abilities.require(self._tools, parts.versions, "set", "ask sets of ipset")
        parts.structure.check()
        parts.sets.check(parts.netlink)
        return frozenset(abilities.of_chains(self._settings, parts.versions))

    def prepare(self) -> int:
        """Make sets, chain and calls stand. What was open stays open. Raises HostError."""
        parts = self._parts
        if self._claim is None:
            place = f"the sets {self._settings.set_prefix}"
            self._claim = Claim(place, "give this one sets of its own with IPSET_NAME")
        disturbed = self._slipped.watches and not self.intact()
        parts.sets.make(parts.netlink)
        parts.structure.build()
        parts.watch.forget()
        if not parts.structure.stands():
            raise HostError("somebody else changes what was just made", hint="see iptables -S")
        self._stood = self._fresh = True
        self._slipped.stands(disturbed=disturbed)
        return 0

    def installed(self) -> frozenset[Tag]:
        """Read back the openings in force. None where the sets or the chains are gone."""
        parts = self._parts
        before = parts.sets.holes() if self._slipped.watches else ()
        found = parts.sets.read(parts.netlink)
        if before:
            self._slipped.ended(set(before).difference(parts.sets.holes()))
        return found if parts.structure.stands() else frozenset()

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it.

        Raises HostError, also for an address of a family that this host has no tables for.
        """
        if self._settings.output is None and any(each.hole.answers for each in change.add):
            raise HostError("nothing here lets answers out")
        over = self._parts.sets.holes(change.remove) if self._slipped.watches else ()
        self._parts.sets.apply(self._parts.netlink, change)
        self._slipped.ended(over)
        if self._fresh:  # and whoever prepared has seen what was missing
            self._parts.sets.lost = self._fresh = False

    def cut(self, holes: Collection[Hole]) -> int:
        """End connections that came in through holes that are shut. Raises HostError."""
        return cut_off(holes, self._parts.sets.in_force())

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``."""
        parts = self._parts
        if not self._stood or not parts.sets.whole(parts.netlink):
            return False
        if parts.watch.stirred():
            parts.watch.forget()
            self._stood = parts.structure.stands()
            if self._stood:  # then it may be what hides that they changed
                self._slipped.judge()
        self._slipped.tend()
        return self._stood

    async def disturbances(self) -> AsyncIterator[None]:
        """Yields when other hands may have changed what is ours; for one consumer."""
        took = 0.0
        while True:
            await asyncio.sleep(max(LOOK_EVERY, took / _SHARE))
            parts, began = self._parts, time.monotonic()
            whole = not self._stood or (
                not parts.watch.stirred() and parts.sets.whole(parts.netlink)
            )
            took = time.monotonic() - began
            if not whole:
                yield

    def teardown(self) -> None:
        """Remove our chains, the calls of them, and our sets. Raises HostError."""
        self._parts.structure.remove()
        self._destroy_sets()
        self._slipped.clear()
        self._stood = False

    def close(self) -> None:
        """Let go of the sockets. What is in the kernel stays."""
        if self._opened is not None:
            self._opened.netlink.close()
            self._opened.watch.close()
        if self._claim is not None:
            self._claim.close()
        self._opened = self._claim = None

    def _holes(self) -> Iterable[Hole]:
        return self._parts.sets.holes()

    def _destroy_sets(self) -> None:
        """The kernel lets go of a set a moment after the rule that asked it is gone."""
        limit = time.monotonic() + _RELEASE_SECONDS
        while True:
            try:
                return self._parts.sets.destroy(self._parts.netlink)
            except HostError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.02)

    @property
    def _parts(self) -> _Parts:
        """Opened when first needed. Raises HostError: this host lacks something."""
        if self._opened is None:
            versions = self._tools.versions(self._settings.input.table)
            apart = self._settings.answers_apart
            sets = OpeningSets(self._settings.set_prefix, versions, self._clock, answers=apart)
            structure = Structure(_branches(self._settings, sets.places), self._tools)
            legacy, everything = self._tools.is_legacy(), self._slipped.watches
            watch = watch_for(structure.chains, legacy=legacy, everything=everything)
            self._opened = _Parts(versions, Netlink(), sets, structure, watch)
        return self._opened


def _branches(settings: FirewallSettings, places: Collection[Place]) -> Iterator[Branch]:
    """A chain for those who come in, and one for the answers to them if that is wanted."""
    for version in sorted({each.version for each in places}):
        mine = [each for each in places if each.version == version and not each.answers]
        yield Branch(version, settings.input, _rules(settings.input, mine, ("src", "dst")))
        if settings.output is not None:
            out = [each for each in places if each.version == version and each.answers] or mine
            yield Branch(version, settings.output, _rules(settings.output, out, ("dst", "src")))


def _rules(use: ChainUse, places: Collection[Place], ends: tuple[str, str]) -> tuple[str, ...]:
    """``ends``: which end of a packet is the caller's, and which is ours."""
    theirs, ours = ends
    return tuple(
        f"-m set --match-set {name} {theirs},{ours}{f',{ours}' if to else ''} -j {use.target}"
        for name, _, to, _ in places
    )


_: type[FirewallBackend] = IpsetFirewall
