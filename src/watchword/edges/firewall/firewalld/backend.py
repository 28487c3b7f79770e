"""The firewall backend for firewalld.

In here: the methods of the port. Not in here: rules as text (rules), what is known of them
(known), ways to firewalld (ways), who ends rules when firewalld or we are dead (heir).

An opening is one rich rule in each zone that packets may come to, with a timeout by which
firewalld ends it if we do not. A reload of firewalld takes such rules away: they are put back.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from watchword.edges.firewall.cutting import can_cut, cut_off
from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.heir import Heir, shared_heir
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.known import Entry, Found, Known
from watchword.edges.firewall.firewalld.pending import Will
from watchword.edges.firewall.firewalld.rules import Rule, parse, service_of, text
from watchword.edges.firewall.firewalld.talk import Firewalld, NotRunningError
from watchword.edges.firewall.tables.claim import Claim
from watchword.edges.firewall.wanted import wanted
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import ChangeSet, Feature, Hole, Opening, Tag
from watchword.ports import Clock, FirewallBackend, KeepsNoTags

EARLY = 0.3
"""Seconds by which firewalld may end a rule before its timeout: it counts them in bundles."""
LATE = 0.8
"""And after it."""
_ABLE = frozenset({
    Feature.DESTINATION, Feature.SELF_EXPIRY, Feature.LOCAL_NAT, Feature.FORWARD, Feature.PREFIX,
})  # fmt: skip
_FAMILY = {4: Feature.IPV4, 6: Feature.IPV6}
_FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


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
    ) -> None:
        """``kernel``: for when there is no firewalld."""
        self._settings = settings
        self._firewalld = firewalld
        self._ending = Ending(firewalld, kernel)
        self._clock = clock
        self._make_heir, self._make_claim = heir, claim
        self._heir: Heir | None = None
        first = settings.firewalld.priority
        self._priorities = (first, first + 1)
        self._known = Known(self._priorities)
        self._families: frozenset[int] = frozenset()
        self._zones: set[str] = set()
        """Those that may have rules of ours."""
        self._incarnation = ""
        """Of the firewalld whose tables have nothing left of another one."""
        self._claim: Claim | None = None
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
            able.add(Feature.CUT)
        return frozenset(able | _ABLE)

    def prepare(self) -> int:
        """See that firewalld is there, and somebody who ends rules. Raises HostError."""
        with self._lock:
            self._families = self._firewalld.families()
            if self._claim is None:
                place = f"rich rules of the priority {self._priorities[0]}"
                self._claim = self._make_claim(place, "give this one another FIREWALLD_PRIORITY")
            if self._heir is None or not self._heir.alive:
                self._heir = self._make_heir(self._settings.exe)
                self._heir.tell(
                    self._will(each) for each in self._known.entries() if not each.stray
                )
            self._prepared = self._fresh = True
            self._doubted = False
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
            found, now = self._compared(), self._clock.now().steady
            if self._prepared:
                self._incarnation = self._firewalld.incarnation()
                self._ending.sweep({each.hole for each in openings}, found)
            claimed = [(each, self._known.claim(each, found, now)) for each in openings]
            if self._heir is not None:
                self._heir.tell(
                    Will(rule, tuple(self._zones), opening.until)
                    for opening, rule in claimed
                    if rule is not None
                )
            return self._known.tags()

    def apply(self, change: ChangeSet) -> None:
        """Make the whole change, or none of it. Raises HostError."""
        with self._lock:
            if not self._prepared or self._heir is None:
                raise HostError("firewalld was not prepared yet")
            now = self._clock.now().steady
            put, take = self._planned(change, now)
            self._carry_out(put, [self._known.entry(tag) for tag in take], self._heir)
            self._known.forget(take)
            for tag, entry in put.items():
                self._known.note(tag, entry)
            if self._fresh:  # and whoever prepared has seen what was missing
                self._doubted = self._fresh = False

    def rehearsed(self, openings: Sequence[Opening]) -> tuple[list[str], list[str]]:
        """Zones and their rich rules, as they are and as they would be. Raises HostError."""
        self._families = self._firewalld.families()
        zones = self._places()
        before = {zone: set(self._firewalld.rules(zone)) for zone in zones}
        self.installed()
        put, _ = self._planned(ChangeSet(add=tuple(openings)), self._clock.now().steady)
        new = {text(each.rule) for each in put.values()}
        holes = {each.rule.hole for each in put.values()}
        old = {text(each) for zone in zones for each in self._in(zone) if each.hole in holes}
        return _listed(before), _listed({z: (rules - old) | new for z, rules in before.items()})

    def cut(self, holes: Collection[Hole]) -> int:
        """End connections that came in through holes that are shut. Raises HostError."""
        with self._lock:
            spared = self._known.in_force(self._clock.now().steady)
        return cut_off(holes, spared)

    def intact(self) -> bool:
        """Whether nobody replaced or removed anything since ``prepare``. Raises HostError."""
        return self._prepared and not self._doubted and self._undisturbed()

    async def disturbances(self) -> AsyncIterator[None]:
        """Yields when other hands may have changed what is ours; for one consumer."""
        async for _ in self._firewalld.news():
            if self._prepared and not await asyncio.to_thread(self._undisturbed_or_broken):
                yield

    def teardown(self) -> None:
        """Take out everything that is ours. Raises HostError."""
        with self._lock:
            zones = self._places() | self._zones
            for zone in zones:
                for rule in self._in(zone):
                    self._ending.take(rule, [zone])
            if self._heir is not None:
                self._heir.tell(drop=[each.rule for each in self._known.entries()])
            self._known = Known(self._priorities)
            self._prepared, self._doubted = False, True

    def close(self) -> None:
        """Leave what is open to firewalld and the heir, until the last opening has ended."""
        self._firewalld.close()
        if self._claim is not None:
            self._claim.close()
        self._heir = self._claim = None

    def _planned(self, change: ChangeSet, now: float) -> tuple[dict[Tag, Entry], list[Tag]]:
        """What is to be put in, and which openings are to go. Raises HostError: it cannot be."""
        put: dict[Tag, Entry] = {}
        for hole, opening in wanted(change.add, now).items():
            self._check(hole)
            if opening.tag not in self._known:
                rule, _ = self._known.free_rule(hole)
                sure = now + _seconds(opening.until - now) - EARLY
                put[opening.tag] = Entry(rule, opening.until, sure)
        take = {tag for tag in change.remove if tag in self._known and tag not in put}
        for entry in put.values():
            before = self._known.standing(entry.rule.hole)
            take |= {before} if before is not None else set()
        return put, sorted(take)

    def _carry_out(self, put: dict[Tag, Entry], take: list[Entry], heir: Heir) -> None:
        """New rules first, so that who is let in by both is never kept out."""
        new = {entry.rule for entry in put.values()}
        going = [entry.rule for entry in take if entry.rule not in new]
        places = self._places() if put else frozenset()
        self._zones |= places
        heir.tell(hold=[self._will(entry) for entry in put.values()])
        try:
            for entry in put.values():
                self._put(entry, places)
            for rule in going:
                self._ending.take(rule, self._zones)
            self._sweep({rule.hole for rule in going})
        except HostError:
            self._undo(new, take, heir)
            raise
        heir.tell(drop=going)

    def _sweep(self, holes: Collection[Hole]) -> None:
        """What a firewalld was killed with is in the kernel still when another one is there."""
        with suppress(NotRunningError):
            if holes and self._firewalld.incarnation() != self._incarnation:
                self._ending.sweep(holes, self._zones)

    def _undo(self, new: Collection[Rule], take: Iterable[Entry], heir: Heir) -> None:
        """As it was, as far as that can be; whoever hears of the error looks at all of it."""
        with suppress(HostError):
            for rule in new:
                self._ending.take(rule, self._zones)
            heir.tell(drop=new)
            for entry in take:
                self._put(entry, self._places())

    def _put(self, entry: Entry, zones: Iterable[str]) -> None:
        left = entry.until - self._clock.now().steady
        if left > 0:
            for zone in sorted(zones):
                self._firewalld.put(zone, text(entry.rule), _seconds(left))

    def _check(self, hole: Hole) -> None:
        """Raises HostError: it cannot be opened here."""
        service_of(hole)
        version = hole.who.version
        if version not in self._families:
            raise HostError(f"firewalld does not filter IPv{version} here")
        if hole.lead is not None and hole.lead.host is not None and not _forwards(version):
            # firewalld would switch it on, for everybody, and nobody would switch it off.
            name = _FORWARDING[version].replace("/", ".")
            raise HostError(
                f"this host forwards nothing of IPv{version}, so {hole.who} is led nowhere",
                hint=f"sysctl -w {name}=1",
            )

    def _undisturbed(self) -> bool:
        if self._heir is None or not self._heir.alive:
            return False
        with self._lock:
            return self._known.agrees(self._found(), self._clock.now().steady)

    def _undisturbed_or_broken(self) -> bool:
        """Something that cannot be looked at is looked at again by whoever is woken."""
        try:
            return self._undisturbed()
        except HostError:
            return False

    def _compared(self) -> Found:
        """Learn what there is of ours; where, too."""
        found = self._found()
        self._zones |= found.keys()
        surprising = self._known.compare(found, self._clock.now().steady)
        self._doubted = self._doubted or surprising
        return found

    def _found(self) -> Found:
        return {zone: self._in(zone) for zone in self._places()}

    def _in(self, zone: str) -> list[Rule]:
        """The rules of a zone that are ours."""
        rules = map(parse, self._firewalld.rules(zone))
        return [each for each in rules if each is not None and each.priority in self._priorities]

    def _places(self) -> frozenset[str]:
        """The zones that rules are to be in."""
        return frozenset(self._settings.firewalld.zones) or self._firewalld.zones()

    def _will(self, entry: Entry) -> Will:
        return Will(entry.rule, tuple(self._zones), entry.until)


def _listed(rules: Mapping[str, Collection[str]]) -> list[str]:
    return [
        line
        for zone in sorted(rules)
        for line in (f"zone {zone}", *(f"  {each}" for each in sorted(rules[zone])))
    ]


def _seconds(left: float) -> int:
    """The timeout of a rule that is to be there so long, not longer; at least 1."""
    return max(1, math.floor(left - LATE))


def _forwards(version: int) -> bool:
    try:
        return Path("/proc/sys", _FORWARDING[version]).read_text("ascii").strip() != "0"
    except OSError:
        return False


_: tuple[type[FirewallBackend], type[KeepsNoTags]] = (FirewalldFirewall, FirewalldFirewall)
