"""The firewall backend for nftables.

In here: the methods of the port, and the order in which the parts do their
work. Not in here: the parts. Ways of attaching: attachments. What stands:
survey. Openings: openings. Live connections: passes. Events: watch.

Structure goes through the program nft, as text; elements, and everything that
happens often, by netlink.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from watchword.edges.firewall.barring import Bars
from watchword.edges.firewall.cutting import can_cut, cut_off
from watchword.edges.firewall.nft import doors, guard
from watchword.edges.firewall.nft.attachments import attachment
from watchword.edges.firewall.nft.extents import Extents
from watchword.edges.firewall.nft.knocked import KnockedSets
from watchword.edges.firewall.nft.layout import Structure
from watchword.edges.firewall.nft.leftovers import leftovers
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.openings import OpeningSets
from watchword.edges.firewall.nft.pieces import Pieces
from watchword.edges.firewall.nft.places import claimed
from watchword.edges.firewall.nft.script import run, version
from watchword.edges.firewall.nft.survey import Survey, survey
from watchword.edges.firewall.nft.tickets import Tickets
from watchword.edges.firewall.nft.watch import Watch
from watchword.edges.firewall.slipped import Slipped, Told, tell_nobody
from watchword.edges.firewall.tables.claim import Claim
from watchword.errors import HostError
from watchword.model.doors import KernelOpening
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.openings import ChangeSet, Feature, Hole, Tag
from watchword.ports import Clock, FirewallBackend, FollowsKnocks, ProgramRunner

_LIST_EVERY = 10.0
"""Seconds between two lists of who is connected, when ``intact`` takes them."""


_NAP = 0.5  # seconds; a shorter one is within what clocks differ by


class NftFirewall:
    """Openings in nftables, attached as ``guard`` or as ``jump``.

    It works on the network namespace of the thread that first calls it, and
    needs CAP_NET_ADMIN there.

    Attaching as ``guard`` lets live connections go on, known to connection
    tracking or not, with one exception: callers of a UDP service that
    connection tracking does not know yet and that answers from one unconnected
    socket. When somebody removes the guard while this runs, ``prepare`` cuts
    connections that came in meanwhile and could not have before.
    """

    name = "nftables"
    slow = False

    def __init__(
        self,
        settings: FirewallSettings,
        *,
        programs: ProgramRunner,
        clock: Clock,
        told: Told = tell_nobody,
    ) -> None:
        self._attachment = attachment(settings, programs)
        self._openings = _opening_sets(self._attachment.structure, settings, clock)
        self._knocked = KnockedSets(guard.home(settings), settings)
        self._settings = settings
        self._bars = Bars(settings, programs)
        self._slipped = Slipped(settings, self._bars, clock, told)
        self._slipped.holes = self._openings.every_hole
        self._programs = programs
        self._clock = clock
        self._opened_netlink: Netlink | None = None
        self._opened_watch: Watch | None = None
        self._claims: list[Claim] = []
        self._stood: Survey | None = None
        """What stood when we last made sure."""
        self._asleep = _asleep()
        self._fresh = False
        """It was prepared, and nothing was applied since."""
        self._listed_at = clock.now().steady

    def probe(self) -> frozenset[Feature]:
        """See if nft, kernel and privileges are there, and the operator's chains.

        Raises HostError with a remedy; changes nothing.
        """
        found = survey(self._netlink, self._attachment.structure)
        version(self._programs)
        self._attachment.check(found)
        # Everything we use, under a name that cannot be in the way, and not carried out.
        trial = guard.script(
            replace(self._settings, table="watchword_trial", guard_all=True, sets=())
        )
        run(self._programs, trial, check=True)
        versions = {v for home in self._attachment.structure.homes for v in home.versions}
        families = {4: Feature.IPV4, 6: Feature.IPV6}
        able = {Feature.SELF_EXPIRY, *(families[each] for each in versions)}
        if all(
            home.set_name(version, to=True)
            for home in self._attachment.structure.homes
            for version in home.versions
        ):
            able.add(Feature.DESTINATION)
        if self._attachment.passes is not None or can_cut():
            able |= {Feature.CUT, Feature.SLIPPED}
        if self._settings.leads:
            able |= {Feature.LOCAL_NAT, Feature.FORWARD, Feature.FORWARD_ALL, Feature.SOURCE_NAT}
        if self._settings.attach is Attach.GUARD:
            able |= {*_of_parts(self._settings), Feature.KERNEL_DOORS}
        if self._settings.output_from:
            able.add(Feature.OUTPUT)
        return frozenset(able)

    def prepare(self) -> int:
        """Make the structure stand. What was open stays open; what is lost has to be applied again.

        Raises HostError: a table or chain is missing or not ours, another server has it, or nft
        refused.
        """
        structure = self._attachment.structure
        if not self._claims:
            self._claims = claimed(structure)
        found = survey(self._netlink, structure)
        self._watch.look()
        strays = False
        if self._stood is not None and self._watch.elements_changed:
            strays, gone = self._openings.purge(self._netlink)
            self._note_ended(gone)
        disturbed = strays or found != self._stood
        taken = self._attachment.build(
            self._netlink, found, self._stood, self._openings.holes, tampered=strays
        )
        self._watch.look()
        disturbed = disturbed or self._watch.heard
        self._watch.forget()
        standing = survey(self._netlink, structure)
        if not standing.fits(structure):
            raise HostError("somebody else changes what was just made", hint="see nft monitor")
        if self._stood is None:
            self._tidy()
        self._stood, self._fresh = standing, True
        self._list_connections()
        self._slipped.stands(disturbed=disturbed)
        return taken

    def _tidy(self) -> None:
        """Settings of before may have named other chains. That is put right once, if it can be:
        what it leaves open ends by itself."""
        with suppress(HostError):
            script = leftovers(self._netlink, self._attachment.structure)
            if script:
                run(self._programs, script)
                self._watch.forget()

    def installed(self) -> frozenset[Tag]:
        """Read back the openings in force. None where the tables are gone."""
        tags, gone = self._openings.read(self._netlink)
        self._note_ended(gone)
        if self._openings.shortened and not self._fresh:
            self._watch.stir()
        if self._attachment.passes is not None and self._attachment.passes.known.stale:
            self._list_connections()
        return tags

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change in one transaction, or none of it.

        Raises HostError, also for an address of a family that no chain passes.
        """
        if self._stood is None and change.add:
            raise HostError("nothing can be opened before the firewall is prepared")
        self._note_ended(self._openings.apply(self._netlink, change))
        if self._fresh:  # and whoever prepared has seen what was missing
            self._openings.shortened = self._fresh = False

    def knocked(self) -> Sequence[KernelOpening]:
        """Whom the kernel's doors let in, and no ledger knows yet. Raises HostError."""
        return self._knocked.read(self._netlink)

    def settle(self, taken: Collection[KernelOpening]) -> None:
        """Take these out of the doors' own sets. Raises HostError."""
        self._knocked.settle(self._netlink, taken)

    def rest(self) -> None:
        """Have the kernel follow no knocks. Raises HostError."""
        if script := doors.resting(self._settings, str(guard.home(self._settings))):
            run(self._programs, script)

    def cut(self, holes: Collection[Hole]) -> int:
        """End connections that came in through holes that are shut. Raises HostError."""
        passes, spared = self._attachment.passes, self._openings.in_force()
        if passes is None:
            return cut_off(holes, spared, self._bars)
        return passes.cut_off(self._netlink, holes, spared) if holes else 0

    def unused(self, holes: Collection[Hole]) -> Mapping[Hole, int]:
        """How many of these tickets nobody has taken yet. Raises HostError."""
        return self._openings.unused(self._netlink, holes)

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``."""
        if self._stood is None:
            return False
        self._watch.look()
        if (asleep := _asleep()) - self._asleep > _NAP:
            self._asleep, self._watch.elements_changed = asleep, True
        if self._watch.elements_changed or self._openings.shortened:
            return False
        if survey(self._netlink, self._attachment.structure) != self._stood:
            return False
        passes = self._attachment.passes
        if (
            passes is not None
            and passes.known.stale
            and self._clock.now().steady - self._listed_at >= _LIST_EVERY
        ):
            self._list_connections()
        if self._watch.heard:  # of what hides, it may be
            self._watch.heard = False
            self._slipped.judge()
        self._slipped.tend()
        return True

    def disturbances(self) -> AsyncIterator[None]:
        """Yields when other hands changed our tables; for one consumer."""
        return self._watch.wakings()

    def prune(self) -> None:
        """Drop exceptions for connections that are over. ``prepare`` does it too."""
        if self._attachment.passes is not None:
            self._attachment.passes.tend(self._netlink)

    def teardown(self) -> None:
        """Remove our table, or our pieces of the operator's. Raises HostError."""
        self._openings.clear(self._netlink)
        script = self._attachment.removal(survey(self._netlink, self._attachment.structure))
        if script:
            run(self._programs, script)
        self._bars.remove()
        self._stood = None

    def close(self) -> None:
        """Let go of the sockets. What is in the kernel stays."""
        for each in (self._opened_netlink, self._opened_watch):
            if each is not None:
                each.close()
        for claim in self._claims:
            claim.close()
        self._opened_netlink = self._opened_watch = None
        self._claims = []

    @property
    def _netlink(self) -> Netlink:
        if self._opened_netlink is None:
            self._opened_netlink = Netlink()
        return self._opened_netlink

    @property
    def _watch(self) -> Watch:
        if self._opened_watch is None:
            self._opened_watch = Watch(
                self._netlink.port,
                self._attachment.structure.tables,
                everybody=self._slipped.watches,
            )
        return self._opened_watch

    def _note_ended(self, holes: Iterable[Hole]) -> None:
        if self._attachment.passes is None:
            self._slipped.ended(holes)
            return
        known = self._attachment.passes.known
        known.ended(hole.door for hole in holes)
        if known.due:
            self._list_connections()

    def _list_connections(self) -> None:
        """Take down who is connected, if the guard stood all the time."""
        passes = self._attachment.passes
        if passes is None:
            return
        connected = passes.list_live(self._netlink)
        if survey(self._netlink, self._attachment.structure) == self._stood:
            passes.known.listed(connected)
            self._listed_at = self._clock.now().steady


def _opening_sets(structure: Structure, settings: FirewallSettings, clock: Clock) -> OpeningSets:
    """With what there can be of openings in our own table, if there is one."""
    own, guards = structure.own, settings.attach is Attach.GUARD
    return OpeningSets(
        structure.homes,
        clock,
        Pieces(own, settings) if own is not None and settings.leads else None,
        Extents(own, settings) if own is not None and guards else None,
        Tickets(own, settings) if own is not None and settings.counts else None,
        answers=structure.answers if settings.output_from else None,
    )


def _asleep() -> float:
    """Seconds that this machine has slept since its start: the kernel ends elements later by
    those, and openings are not to."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _of_parts(settings: FirewallSettings) -> frozenset[Feature]:
    """What it was set up for, as with leading on."""
    able = {Feature.SOURCE_PORT} if settings.binds else set()
    if settings.prefixes or settings.firsts:
        able.add(Feature.PREFIX)
    if settings.firsts:
        able.add(Feature.FIRST)
    if settings.counts:
        able.add(Feature.COUNT)
    if settings.at_once:
        able.add(Feature.AT_ONCE)
    return frozenset(able)


_: tuple[type[FirewallBackend], type[FollowsKnocks]] = (NftFirewall, NftFirewall)
