"""Follows knock sequences: one attempt for each caller and sequence.

In here: which packets count as knocks at all, what a knock does to the attempts
of its sender, when an attempt has taken too long, how many are followed.
Not in here: one door's own rules (watches), the kernel's filter (hearing), capture
(edges.capture), knockd.conf (dialects.knockd), what an open door does (service.knock).

Source: knockd, sections 4 and 5. Differences: attempts are kept by their sender,
so that nobody's attempt ends another's; time is up at the instant at which it is,
not with the next packet; a finished attempt counts for nothing any more.

No clock and no I/O: every method is told the time. Anybody can make up sources,
so nothing here is searched through, and attempts have a cap (places).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from watchword.model.addresses import Address
from watchword.model.doors import TCP, Door, Knock, Progress, Step, address_of
from watchword.model.filters import Filter
from watchword.recognise import hearing
from watchword.recognise.places import Places
from watchword.recognise.watches import NEVER, Attempt, Course, Watch
from watchword.wire.rotating import window_of

MOST_ATTEMPTS: Final = 65_536
"""Attempts that are followed at once; about 50 MB."""
_NOTHING: Final[Sequence[Progress]] = ()


class DoorRecogniser:
    """Turns knocks into progress at doors."""

    def __init__(
        self, doors: Sequence[Door], local: Collection[bytes], most: int = MOST_ATTEMPTS
    ) -> None:
        """``local``: this host's addresses, packed; knocks at doors without a target go there.

        Doors with a rotation wait for nothing until ``turn`` was called.
        """
        self._local = frozenset(local)
        self._watches = {door.number: Watch(door) for door in doors}
        self._attempts: dict[bytes, list[Attempt]] = {}
        """By sender, in the order of their beginnings."""
        self._places: Places[Attempt] = Places(most)
        self._latest = 0.0
        self._deadline = NEVER
        """Nothing ends before; may be too early, never too late."""
        self._index()

    def _index(self) -> None:
        self._ears: dict[int, list[Watch]] = {}
        self._firsts: dict[int, list[Course]] = {}
        for watch in self._watches.values():
            for spot in {spot for course in watch.courses for spot in course.spots}:
                self._ears.setdefault(spot, []).append(watch)
            for course in watch.courses:
                self._firsts.setdefault(course.spots[0], []).append(course)
        self._strict = any(watch.strict for watch in self._watches.values())

    @property
    def local(self) -> list[Address]:
        """This host's addresses, as far as they are listened to."""
        return sorted(map(address_of, self._local), key=lambda each: (each.version, each.packed))

    def __len__(self) -> int:
        """Attempts under way."""
        return len(self._places)

    # --- knocks ------------------------------------------------------------

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
            if under_way is None or not self._strict:
                return told
            return [*told, *self._spoil(under_way, knock, spot, now)]
        if under_way is not None:
            concerned = [
                each for each in under_way if self._reaches(each.course.watch, destination)
            ]
            if concerned:
                return [*told, *self._judge(concerned, spot, flags, now)]
        if firsts is None:
            return told
        return [*told, *self._begin(firsts, knock, spot, now)]

    def _heard(self, spot: int, destination: bytes, flags: int) -> bool:
        """Whether some door listens to a port, and this packet could be for it."""
        for watch in self._ears.get(spot, ()):
            if watch.heeds(spot, flags) and self._reaches(watch, destination):
                return True
        return False

    def _reaches(self, watch: Watch, destination: bytes) -> bool:
        if watch.target is not None:
            return destination == watch.target
        return destination in self._local

    def _judge(self, attempts: list[Attempt], spot: int, flags: int, now: float) -> list[Progress]:
        """A knock goes to every attempt of its sender, and begins no other."""
        told: list[Progress] = []
        for each in attempts:
            watch = each.course.watch
            if not watch.heeds(spot, flags):
                continue
            if spot == each.course.spots[each.stage]:
                told.append(self._advance(each, now))
            elif not watch.is_repeat(each, spot):
                told += self._fail(Step.SPOILT, each, now)
        return told

    def _spoil(
        self, attempts: list[Attempt], knock: Knock, spot: int, now: float
    ) -> list[Progress]:
        """A packet to a port of no door: strict doors take it for a wrong knock."""
        told: list[Progress] = []
        for each in list(attempts):
            watch = each.course.watch
            if self._reaches(watch, knock.destination) and watch.minds(spot, knock.flags):
                told += self._fail(Step.SPOILT, each, now)
        return told

    def _begin(self, firsts: list[Course], knock: Knock, spot: int, now: float) -> list[Progress]:
        told = []
        source, destination = knock.source, knock.destination
        for course in firsts:
            watch = course.watch
            if not watch.heeds(spot, knock.flags) or not self._reaches(watch, destination):
                continue
            if watch.shuts_out(source, now):
                continue
            if (outsider := self._places.outsider()) is not None:
                self._drop(outsider)
            attempt = Attempt(course, source, now)
            self._attempts.setdefault(source, []).append(attempt)
            watch.add(attempt)
            self._places.begin(attempt)
            told.append(self._advance(attempt, now))
            self._deadline = min(self._deadline, attempt.ends)
        return told

    def _advance(self, attempt: Attempt, now: float) -> Progress:
        attempt.stage += 1
        told = self._progress(Step.ADVANCED, attempt)
        if attempt.stage == len(attempt.course.spots):
            self._drop(attempt)
            return told
        attempt.course.watch.stepped(attempt, now)
        if attempt.stage == 2:
            self._places.goes_on(attempt)
        return told

    def _fail(self, step: Step, attempt: Attempt, now: float) -> list[Progress]:
        self._drop(attempt)
        told = [self._progress(step, attempt)]
        if attempt.course.watch.failed(attempt.source, now):
            told.append(self._progress(Step.SHUT_OUT, attempt))
        return told

    def _progress(self, step: Step, attempt: Attempt) -> Progress:
        course = attempt.course
        who = address_of(attempt.source)
        return Progress(
            step, course.watch.door, who, attempt.stage, len(course.spots), course.window
        )

    def _drop(self, attempt: Attempt) -> None:
        attempt.course.watch.remove(attempt)
        self._places.drop(attempt)
        left = self._attempts[attempt.source]
        if len(left) > 1:
            left.remove(attempt)
        else:
            del self._attempts[attempt.source]

    # --- time --------------------------------------------------------------

    def expire(self, now: float) -> Sequence[Progress]:
        """End every attempt whose time is up, in the order of their ends."""
        if now < self._deadline:
            return _NOTHING
        over: list[tuple[float, list[Progress]]] = []
        for watch in self._watches.values():
            for attempt in watch.over(now):
                over.append((attempt.ends, self._fail(Step.TIMED_OUT, attempt, now)))
        self._deadline = min((each.next_end() for each in self._watches.values()), default=NEVER)
        over.sort(key=lambda each: each[0])
        return [progress for _, told in over for progress in told]

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` may next have something to do."""
        return None if self._deadline == NEVER else self._deadline

    def turn(self, wall: float) -> float | None:
        """Take the sequences that rotations have at this time, Unix seconds.

        To be called again at the time that is returned; None: no door has a rotation.
        Attempts at sequences that are over are forgotten.
        """
        nexts = []
        for watch in self._watches.values():
            rotation = watch.door.rotation
            if rotation is not None:
                window = window_of(wall, rotation.every)
                self._forget(watch.turn(window))
                nexts.append(float((window + 1) * rotation.every))
        if not nexts:
            return None
        self._index()
        return min(nexts)

    # --- changes -----------------------------------------------------------

    def spend(self, number: int, window: int) -> None:
        """A sequence of a rotation was knocked, and is worth nothing from now on."""
        self._forget(self._watches[number].spend(window))
        self._index()

    def take_sequence(self, number: int, door: Door) -> None:
        """Have a door wait for another sequence. Attempts at the old one are forgotten.

        ``door``: the same door with its new sequence; one without any cannot be opened.
        """
        self._forget(self._watches[number].all())
        self._watches[number] = Watch(door)
        self._index()

    def _forget(self, attempts: list[Attempt]) -> None:
        for attempt in attempts:
            self._drop(attempt)

    def take_addresses(self, local: Collection[bytes]) -> None:
        """Listen to other addresses of this host from now on; attempts go on."""
        self._local = frozenset(local)

    def hearing(self) -> Filter | None:
        """Which packets change anything, for a filter in the kernel; None: there are none."""
        return hearing.hearing(self._watches.values(), self._local)
