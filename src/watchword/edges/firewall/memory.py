"""A firewall in memory: for tests, and for runs that must change nothing.

In here: openings in a dict, ended by a clock as the kernel ends them.
Not in here: any packet.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from watchword.errors import HostError
from watchword.model.doors import KernelOpening
from watchword.model.openings import ChangeSet, Feature, Hole, Opening, Tag
from watchword.ports import Clock, FirewallBackend, FollowsKnocks

EVERYTHING = frozenset(
    {
        Feature.IPV4,
        Feature.IPV6,
        Feature.DESTINATION,
        Feature.SELF_EXPIRY,
        Feature.CUT,
        Feature.LOCAL_NAT,
        Feature.FORWARD,
        Feature.FORWARD_ALL,
        Feature.SOURCE_NAT,
        Feature.OUTPUT,
        Feature.SOURCE_PORT,
        Feature.PREFIX,
        Feature.FIRST,
        Feature.KERNEL_DOORS,
        Feature.COUNT,
        Feature.AT_ONCE,
        Feature.SLIPPED,
    }
)


class MemoryFirewall:
    """Keeps openings in a dict. Can be told to fail once, and to be disturbed."""

    name = "memory"
    slow = False

    def __init__(self, clock: Clock, *, features: frozenset[Feature] = EVERYTHING) -> None:
        self.fail_next_apply = False
        self.adopts = 0
        """What the first ``prepare`` says it took over."""
        self.prepared = False
        """False: never, or everything was removed since."""
        self.connections: Counter[Hole] = Counter()
        """Connections that are under way, by the hole that let them in."""
        self.let_in: list[KernelOpening] = []
        """Whom its doors let in by themselves."""
        self.resting = False
        self.taken: Counter[Hole] = Counter()
        """How many tickets somebody has used."""
        self._adopted = False
        self._clock = clock
        self._features = features
        self._openings: dict[Hole, Opening] = {}
        self._intact = False
        self._woken = asyncio.Event()

    @property
    def openings(self) -> frozenset[Opening]:
        """What is open now."""
        now = self._clock.now().steady
        return frozenset(each for each in self._openings.values() if each.until > now)

    def probe(self) -> frozenset[Feature]:
        return self._features

    def prepare(self) -> int:
        taken = 0 if self._adopted else self.adopts
        self.prepared = self._adopted = self._intact = True
        return taken

    def installed(self) -> frozenset[Tag]:
        return frozenset(each.tag for each in self.openings)

    def apply(self, change: ChangeSet) -> None:
        if self.fail_next_apply:
            self.fail_next_apply = False
            raise HostError("memory firewall: told to fail")
        if change.add and not self.prepared:
            raise HostError("memory firewall: not prepared")
        for opening in change.add:
            needed = opening.hole.lead.features if opening.hole.lead else frozenset()
            if opening.hole.answers and Feature.OUTPUT not in self._features:
                raise HostError("memory firewall: told that it lets no answers out")
            if opening.hole.extent and opening.hole.extent.features - self._features:
                raise HostError("memory firewall: told that it cannot let in just a part")
            if needed - self._features:
                raise HostError(
                    f"memory firewall: told that it cannot lead on ({opening.hole.lead})"
                )
        kept = {
            hole: each for hole, each in self._openings.items() if each.tag not in change.remove
        }
        now = self._clock.now().steady
        for opening in sorted(change.add, key=lambda each: each.until):
            if opening.until > now:
                kept[opening.hole] = opening
        self._openings = kept

    def knocked(self) -> Sequence[KernelOpening]:
        return list(self.let_in)

    def settle(self, taken: Collection[KernelOpening]) -> None:
        over = {(each.door, each.who) for each in taken}
        self.let_in = [each for each in self.let_in if (each.door, each.who) not in over]

    def rest(self) -> None:
        self.resting = True

    def cut(self, holes: Collection[Hole]) -> int:
        return sum(self.connections.pop(hole, 0) for hole in holes)

    def unused(self, holes: Collection[Hole]) -> Mapping[Hole, int]:
        now = self._clock.now().steady
        there = {hole for hole, each in self._openings.items() if each.until > now}
        left = {hole: len(hole.numbers) - self.taken[hole] for hole in holes if hole in there}
        return {hole: number for hole, number in left.items() if number > 0}

    def intact(self) -> bool:
        return self._intact

    def disturbances(self) -> AsyncIterator[None]:
        return self._wakings()

    def disturb(self, *, lose: bool = True) -> None:
        """Be changed by other hands; ``lose``: everything that was open is gone."""
        if lose:
            self._openings.clear()
            self.prepared = False
        self._intact = False
        self._woken.set()

    def teardown(self) -> None:
        self._openings.clear()
        self.prepared = self._intact = False

    async def _wakings(self) -> AsyncIterator[None]:
        while True:
            await self._woken.wait()
            self._woken.clear()
            yield


_: tuple[type[FirewallBackend], type[FollowsKnocks]] = (MemoryFirewall, MemoryFirewall)
