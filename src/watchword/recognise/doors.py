"""Follows knock sequences: one attempt for each caller and door.

In here: which packets count as knocks at all, what a knock does to the attempts
of its sender, when an attempt has taken too long, how many are followed.
Not in here: capture (edges.capture), knockd.conf (dialects.knockd), what an open
door does (service.knock).

Source: knockd, sections 4 and 5. Differences: attempts are kept by their sender,
so that nobody's attempt ends another's; time is up at the instant at which it is,
not with the next packet; a finished attempt counts for nothing any more.

No clock and no I/O: every method is told the time. Anybody can make up sources,
so nothing here is searched through, and attempts have a cap: beyond it the
oldest of those that made one knock only is forgotten, for lack of these the
oldest of all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from ipaddress import ip_network
from typing import Final

from watchword.model.addresses import Address
from watchword.model.doors import TCP, UDP, Door, Knock, Progress, Step, address_of
from watchword.model.filters import All, Any, Direction, Filter, FlagsAre, HostIs, PortIs
from watchword.model.services import Proto, Service

MOST_ATTEMPTS: Final = 65_536
"""Attempts that are followed at once; about 50 MB."""
_NOTHING: Final[Sequence[Progress]] = ()


class _Watch:
    """One door as it is held against knocks."""

    __slots__ = ("attempts", "door", "spots", "target", "timeout", "unwanted", "wanted")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.spots = tuple(map(_spot_of, door.sequence))
        self.target = door.target.packed if door.target is not None else None
        self.wanted, self.unwanted = int(door.flags.wanted), int(door.flags.unwanted)
        self.timeout = door.seq_timeout
        self.attempts: OrderedDict[bytes, _Attempt] = OrderedDict()
        """By sender, in the order of their beginnings, which is that of their ends."""

    def heeds(self, spot: int, flags: int) -> bool:
        """Whether a packet's flags are right; those of UDP always are."""
        if not spot & 1:
            return True
        return flags & self.wanted == self.wanted and not flags & self.unwanted


class _Attempt:
    __slots__ = ("deadline", "source", "stage", "watch")

    def __init__(self, watch: _Watch, source: bytes, deadline: float) -> None:
        self.watch = watch
        self.source = source
        self.stage = 0
        self.deadline = deadline


def _spot_of(service: Service) -> int:
    """Protocol and port in one number, which is quickly looked up."""
    return service.port << 1 | (service.proto is Proto.TCP)


class DoorRecogniser:
    """Turns knocks into progress at doors."""

    def __init__(
        self, doors: Sequence[Door], local: Collection[bytes], most: int = MOST_ATTEMPTS
    ) -> None:
        """``local``: this host's addresses, packed; knocks at doors without a target go there."""
        self._most = most
        self._local = frozenset(local)
        self._watches = {door.number: _Watch(door) for door in doors}
        self._attempts: dict[bytes, list[_Attempt]] = {}
        """By sender, in the order of their beginnings."""
        self._newcomers: OrderedDict[_Attempt, None] = OrderedDict()
        """Those that made one knock, in the order in which they made it."""
        self._others: OrderedDict[_Attempt, None] = OrderedDict()
        self._latest = 0.0
        self._deadline = _NEVER
        """Nothing ends before; may be too early, never too late."""
        self._index()

    def _index(self) -> None:
        self._ears: dict[int, list[_Watch]] = {}
        self._firsts: dict[int, list[_Watch]] = {}
        for watch in self._watches.values():
            for spot in dict.fromkeys(watch.spots):
                self._ears.setdefault(spot, []).append(watch)
            if watch.spots:
                self._firsts.setdefault(watch.spots[0], []).append(watch)

    @property
    def local(self) -> list[Address]:
        """This host's addresses, as far as they are listened to."""
        return sorted(map(address_of, self._local), key=lambda each: (each.version, each.packed))

    def __len__(self) -> int:
        """Attempts under way."""
        return len(self._newcomers) + len(self._others)

    def observe(self, knock: Knock, now: float) -> Sequence[Progress]:
        """What a packet does to attempts, after what has come to its end by now, in order.

        ``now``: steady seconds at which the packet came. Packets that come out of
        order are taken as if they had come at the time of the latest.
        """
        told = self.expire(now) if now >= self._deadline else _NOTHING
        source, destination, protocol, port, flags = knock
        spot = port << 1 | (protocol == TCP)
        under_way = self._attempts.get(source)
        firsts = self._firsts.get(spot)
        if under_way is None and firsts is None:
            return told  # most of what strangers send ends here
        now = self._latest = max(now, self._latest)
        if not self._heard(spot, destination, flags):
            return told
        if under_way is not None:
            concerned = [each for each in under_way if self._reaches(each.watch, destination)]
            if concerned:
                return [*told, *self._judge(concerned, spot, flags)]
        if firsts is None:
            return told
        return [*told, *self._begin(firsts, knock, spot, now)]

    def _heard(self, spot: int, destination: bytes, flags: int) -> bool:
        """Whether some door listens to a port, and this packet could be for it."""
        for watch in self._ears.get(spot, ()):
            if watch.heeds(spot, flags) and self._reaches(watch, destination):
                return True
        return False

    def _reaches(self, watch: _Watch, destination: bytes) -> bool:
        if watch.target is not None:
            return destination == watch.target
        return destination in self._local

    def _judge(self, attempts: list[_Attempt], spot: int, flags: int) -> list[Progress]:
        """A knock goes to every attempt of its sender, and begins no other."""
        told = []
        for each in attempts:
            watch = each.watch
            if not watch.heeds(spot, flags):
                continue
            if spot == watch.spots[each.stage]:
                told.append(self._advance(each))
            else:
                told.append(self._progress(Step.SPOILT, each))
                self._drop(each)
        return told

    def _begin(self, firsts: list[_Watch], knock: Knock, spot: int, now: float) -> list[Progress]:
        told = []
        for watch in firsts:
            if not watch.heeds(spot, knock.flags) or not self._reaches(watch, knock.destination):
                continue
            if len(self) >= self._most:
                self._drop(next(iter(self._newcomers or self._others)))
            attempt = _Attempt(watch, knock.source, now + watch.timeout)
            self._attempts.setdefault(knock.source, []).append(attempt)
            watch.attempts[knock.source] = attempt
            self._newcomers[attempt] = None
            self._deadline = min(self._deadline, attempt.deadline)
            told.append(self._advance(attempt))
        return told

    def _advance(self, attempt: _Attempt) -> Progress:
        attempt.stage += 1
        told = self._progress(Step.ADVANCED, attempt)
        if attempt.stage == len(attempt.watch.spots):
            self._drop(attempt)
        elif attempt.stage == 2:
            del self._newcomers[attempt]
            self._others[attempt] = None
        return told

    def _progress(self, step: Step, attempt: _Attempt) -> Progress:
        return Progress(step, attempt.watch.door, address_of(attempt.source), attempt.stage)

    def _drop(self, attempt: _Attempt) -> None:
        del attempt.watch.attempts[attempt.source]
        self._newcomers.pop(attempt, None)
        self._others.pop(attempt, None)
        left = self._attempts[attempt.source]
        if len(left) > 1:
            left.remove(attempt)
        else:
            del self._attempts[attempt.source]

    def expire(self, now: float) -> Sequence[Progress]:
        """End every attempt whose time is up, in the order of their ends."""
        if now < self._deadline:
            return _NOTHING
        over: list[_Attempt] = []
        for watch in self._watches.values():
            while watch.attempts and (first := next(iter(watch.attempts.values()))).deadline <= now:
                over.append(first)
                self._drop(first)
        self._deadline = min(
            (next(iter(each.attempts.values())).deadline for each in self._live()), default=_NEVER
        )
        over.sort(key=lambda attempt: attempt.deadline)
        return [self._progress(Step.TIMED_OUT, each) for each in over]

    def _live(self) -> list[_Watch]:
        return [watch for watch in self._watches.values() if watch.attempts]

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` may next have something to do."""
        return None if self._deadline == _NEVER else self._deadline

    def take_sequence(self, number: int, door: Door) -> None:
        """Have a door wait for another sequence. Attempts at the old one are forgotten.

        ``door``: the same door with its new sequence; one without any cannot be opened.
        """
        for attempt in list(self._watches[number].attempts.values()):
            self._drop(attempt)
        self._watches[number] = _Watch(door)
        self._index()

    def take_addresses(self, local: Collection[bytes]) -> None:
        """Listen to other addresses of this host from now on; attempts go on."""
        self._local = frozenset(local)

    def hearing(self) -> Filter | None:
        """Which packets change anything, for a filter in the kernel; None: there are none.

        What it lets through is looked at again, so it may let through more.
        """
        places: dict[bytes | None, list[Filter]] = {}
        for watch in self._watches.values():
            if watch.spots:
                places.setdefault(watch.target, []).append(_of_door(watch))
        found: list[Filter] = []
        for target, tests in places.items():
            hosts = self._local if target is None else (target,)
            if hosts:
                found.append(All((_any([_sent_to(each) for each in sorted(hosts)]), _any(tests))))
        return _any(found) if found else None


def _of_door(watch: _Watch) -> Filter:
    tests: list[Filter] = []
    if tcp := _ports(watch, TCP):
        rule = FlagsAre(watch.wanted, watch.unwanted)
        tests.append(All((rule, tcp)) if watch.wanted | watch.unwanted else tcp)
    if udp := _ports(watch, UDP):
        tests.append(udp)
    return _any(tests)


def _ports(watch: _Watch, protocol: int) -> Filter | None:
    """Neighbouring ports as one range."""
    ports = sorted({spot >> 1 for spot in watch.spots if spot & 1 == (protocol == TCP)})
    ranges: list[list[int]] = []
    for port in ports:
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    tests: list[Filter] = [
        PortIs(first, last, frozenset({protocol}), direction=Direction.DESTINATION)
        for first, last in ranges
    ]
    return _any(tests) if tests else None


def _sent_to(address: bytes) -> Filter:
    return HostIs(ip_network(address), Direction.DESTINATION)


def _any(tests: list[Filter]) -> Filter:
    return tests[0] if len(tests) == 1 else Any(tuple(tests))


_NEVER: Final = float("inf")
