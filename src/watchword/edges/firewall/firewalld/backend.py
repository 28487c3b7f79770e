"""The firewall backend for firewalld.

In here: the methods of the port. Not in here: rules as text (rules), what is known of them
(known), ways to firewalld (ways), who ends rules when firewalld or we are dead (heir).

An opening is one rich rule in each zone that packets may come to, with a timeout by which
firewalld ends it if we do not. A reload of firewalld takes such rules away: they are put back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence

from watchword.edges.firewall.cutting import can_cut, cut_off
from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.forwarding import check_forwarding
from watchword.edges.firewall.firewalld.heir import Heir, shared_heir
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.known import Entry, Found, Known
from watchword.edges.firewall.firewalld.mending import FLUSHED, Mending, merged
from watchword.edges.firewall.firewalld.rules import parse, service_of, text
from watchword.edges.firewall.firewalld.talk import Firewalld, News
from watchword.edges.firewall.firewalld.zones import ZoneRules, printed
from watchword.edges.firewall.slipped import Slipped
from watchword.edges.firewall.tables.claim import Claim
from watchword.edges.firewall.wanted import wanted
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Feature, Hole, Opening, Tag
from watchword.ports import Clock, FirewallBackend, KeepsNoTags

_ABLE = frozenset({
    Feature.DESTINATION, Feature.SELF_EXPIRY, Feature.LOCAL_NAT, Feature.FORWARD, Feature.PREFIX,
})  # fmt: skip
_FAMILY = {4: Feature.IPV4, 6: Feature.IPV6}


class FirewalldFirewall:
    """Openings as rich rules of firewalld with timeouts."""

    name = "firewalld"
    slow = True

    def __init__(
        self,
        settings: FirewallSettings,
        firewalld: Firewalld,
        kernel: KernelRules,
        *,
        clock: Clock,
        heir: Callable[[str], Heir] = shared_heir,
        claim: Callable[[str, str], Claim] = Claim,
        slipped: Slipped | None = None,
    ) -> None:
        """``kernel``: for when there is no firewalld."""
        self._settings = settings
        self._firewalld = firewalld
        self._clock = clock
        self._make_heir, self._make_claim = heir, claim
        self._heir: Heir | None = None
        reloads = settings.firewalld.reloads
        ending = Ending(firewalld, kernel, reloads=reloads)
        self._mending = Mending(firewalld, kernel, clock) if reloads else None
        self._zones = ZoneRules(settings.firewalld, firewalld, ending, clock)
        self._known = Known(self._zones.priorities)
        self._slipped = slipped or Slipped(settings, None, clock)
        self._slipped.holes = self._holes
        self._heard = False
        """Something happened that was not about rules of ours alone."""
        self._families: frozenset[int] = frozenset()
        self._claims: list[Claim] = []
        self._lock = threading.RLock()
        self._prepared = False
        self._doubted = True
        """Others changed something, or nothing was made yet, and it is not put right."""
        self._fresh = False
        """It was prepared, and nothing was applied since."""

    def probe(self) -> frozenset[Feature]:
        """See if firewalld runs, and has the zones that were named. Raises HostError."""
        able = {_FAMILY[each] for each in self._firewalld.families()}
        if strange := set(self._settings.firewalld.zones) - self._firewalld.all_zones():
            raise HostError(
                f"firewalld has no zone {', '.join(sorted(strange))}",
                hint="see firewall-cmd --get-zones, and FIREWALLD_ZONES",
            )
        if can_cut():
            able |= {Feature.CUT, Feature.SLIPPED}
        return frozenset(able | _ABLE)

    def prepare(self) -> int:
        """See that firewalld is there, and somebody who ends rules. Raises HostError."""
        with self._lock:
            self._families = self._firewalld.families()
            if self._mending is not None and self._mending.mend():
                self._heard = True
            self._zones.check()
            self._claim_priorities()
            if self._heir is None or not self._heir.alive:
                self._heir = self._make_heir(self._settings.exe)
                standing = (each for each in self._known.entries() if not each.stray)
                self._heir.tell(map(self._zones.will, standing))
            self._prepared = self._fresh = True
            disturbed, self._doubted, self._heard = self._doubted or self._heard, False, False
            self._slipped.stands(disturbed=disturbed)
        return 0

    def installed(self) -> frozenset[Tag]:
        """Read back the openings in force, and rules like them. Raises HostError."""
        with self._lock:
            self._compared()
            return self._known.tags()

    def recognise(self, openings: Iterable[Opening]) -> frozenset[Tag]:
        """Read back the openings in force, knowing which there may be: of an earlier run."""
        with self._lock:
            openings = list(openings)
            found = self._compared()
            if self._prepared:
                self._zones.sweep({each.hole for each in openings})
            claimed = [entry for each in openings if (entry := self._known.claim(each, found))]
            if self._heir is not None:
                self._heir.tell(map(self._zones.will, claimed))
            return self._known.tags()

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it. Raises HostError."""
        with self._lock:
            if not self._prepared or self._heir is None:
                raise HostError("firewalld was not prepared yet")
            now = self._clock.now().steady
            put, take = self._planned(change, now)
            gone = [self._known.entry(tag) for tag in take]
            self._zones.change(list(put.values()), gone, self._heir)
            self._known.forget(take)
            for tag, entry in put.items():
                self._known.note(tag, entry)
            self._slipped.ended(each.rule.hole for each in gone if not each.stray)
            if self._fresh:  # and whoever prepared has seen what was missing
                self._doubted = self._fresh = False

    def rehearsed(self, openings: Sequence[Opening]) -> tuple[list[str], list[str]]:
        """Zones and their rich rules, as they are and as they would be. Raises HostError."""
        self._families = self._firewalld.families()
        found = self._compared()
        before = {zone: set(self._firewalld.rules(zone)) for zone in found}
        put, _ = self._planned(ChangeSet(add=tuple(openings)), self._clock.now().steady)
        new = {text(each.rule) for each in put.values()}
        holes = {each.rule.hole for each in put.values()}
        old = {text(each) for there in found.values() for each in there if each.hole in holes}
        return printed(before), printed({z: (rules - old) | new for z, rules in before.items()})

    def cut(self, holes: Collection[Hole]) -> int:
        """End connections that came in through holes that are shut. Raises HostError."""
        with self._lock:
            spared = self._known.in_force(self._clock.now().steady)
        return cut_off(holes, spared)

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``. Raises HostError."""
        if self._prepared:
            self._zones.check()
        if not (self._prepared and not self._doubted and self._undisturbed()):
            self._doubted = True
            return False
        with self._lock:
            if self._heard:
                self._heard = False
                self._slipped.judge()
            self._slipped.tend()
        return True

    async def disturbances(self) -> AsyncIterator[None]:
        """Yields when other hands may have changed what is ours; for one consumer."""
        flushes = [] if self._mending is None else [self._mending.flushes]
        async for news in merged(self._firewalld.news, *flushes):
            if not self._prepared:
                continue
            if news is FLUSHED:
                yield
                continue
            heard = self._slipped.watches and not self._concerns_us_alone(news)
            self._heard = self._heard or heard
            if heard or not await asyncio.to_thread(self._undisturbed_or_broken):
                yield

    def teardown(self) -> None:
        """Take out everything that is ours. Raises HostError."""
        with self._lock:
            self._zones.clear()
            if self._heir is not None:
                self._heir.tell(drop=[each.rule for each in self._known.entries()])
            self._known = Known(self._zones.priorities)
            self._slipped.clear()
            self._prepared, self._doubted = False, True

    def close(self) -> None:
        """Leave what is open to firewalld and the heir, until the last opening has ended."""
        self._firewalld.close()
        self._let_go()
        self._heir = None

    def _claim_priorities(self) -> None:
        """Both, or neither. Raises HostError: another server has one of them."""
        if self._claims:
            return
        remedy = "give this one another FIREWALLD_PRIORITY"
        try:
            for each in self._zones.priorities:
                place = f"rich rules of the priority {each}"
                self._claims.append(self._make_claim(place, remedy))
        except HostError:
            self._let_go()
            raise

    def _let_go(self) -> None:
        while self._claims:
            self._claims.pop().close()

    def _planned(self, change: ChangeSet, now: float) -> tuple[dict[Tag, Entry], set[Tag]]:
        """What is to be put in, and which openings are to go. Raises HostError: it cannot be."""
        put: dict[Tag, Entry] = {}
        take = {tag for tag in change.remove if tag in self._known}
        for hole, opening in wanted(change.add, now).items():
            self._check(hole)
            if opening.tag not in self._known:
                rule, stray = self._known.free_rule(hole)
                put[opening.tag] = Entry(rule, opening.until)
                before = self._known.standing(hole)
                take |= {each for each in (before, stray) if each is not None}
        return put, take - put.keys()

    def _holes(self) -> Iterable[Hole]:
        return self._known.holes()

    def _check(self, hole: Hole) -> None:
        """Raises HostError: it cannot be opened here."""
        service_of(hole)
        version = hole.who.version
        if version not in self._families:
            raise HostError(f"firewalld does not filter IPv{version} here")
        check_forwarding(hole)

    def _undisturbed(self) -> bool:
        if self._heir is None or not self._heir.alive:
            return False
        with self._lock:
            return self._known.agrees(self._zones.found(), self._clock.now().steady)

    def _concerns_us_alone(self, news: News) -> bool:
        found = [None] if news is None else [parse(each) for each in news]
        return all(each and each.priority in self._zones.priorities for each in found)

    def _undisturbed_or_broken(self) -> bool:
        """Something that cannot be looked at is looked at again by whoever is woken."""
        try:
            return self._undisturbed()
        except HostError:
            return False

    def _compared(self) -> Found:
        """Learn what there is of ours; where, too."""
        found, before = self._zones.found(), self._known.holes() if self._slipped.watches else ()
        surprising = self._known.compare(found, self._clock.now().steady)
        if before:
            self._slipped.ended(set(before).difference(self._known.holes()))
        self._doubted = self._doubted or surprising
        return found


_: tuple[type[FirewallBackend], type[KeepsNoTags]] = (FirewalldFirewall, FirewalldFirewall)
