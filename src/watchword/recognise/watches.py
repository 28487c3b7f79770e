"""One door as it is held against knocks.

In here: its sequences, its attempts in the order of their ends, its rules for
flags, repeats and strangers, who failed too often.
Not in here: whose attempts a knock concerns, and how many there may be (doors).

Cost does not grow with attempts: they are kept in the order of their beginnings
and of their last knocks, so that what ends next stands first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from watchword.model.doors import Door, Flag
from watchword.model.services import Proto, Service
from watchword.wire.rotating import sequence_of

NEVER: Final = float("inf")
MOST_FAILURES: Final = 65_536
"""Senders at one door whose failures are counted."""
_WINDOWS: Final = (-1, 0, 1)
"""Sequences that a rotating door takes: clocks are not quite alike."""
_SYN, _SYN_ACK = int(Flag.SYN), int(Flag.SYN | Flag.ACK)


def spot_of(service: Service) -> int:
    """Protocol and port in one number, which is quickly looked up. TCP is odd."""
    return service.port << 1 | (service.proto is Proto.TCP)


class Course:
    """One sequence of a door."""

    __slots__ = ("spots", "watch", "window")

    def __init__(self, watch: Watch, spots: tuple[int, ...], window: int | None) -> None:
        self.watch = watch
        self.spots = spots
        self.window = window


class Attempt:
    """One sender on one course."""

    __slots__ = ("course", "deadline", "source", "stage", "step_deadline")

    def __init__(self, course: Course, source: bytes, now: float) -> None:
        self.course = course
        self.source = source
        self.stage = 0
        self.deadline = now + course.watch.door.seq_timeout
        self.step_deadline = NEVER

    @property
    def ends(self) -> float:
        return min(self.deadline, self.step_deadline)


class Watch:
    """One door, what it waits for, and who is under way."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.target = door.target.packed if door.target is not None else None
        self.courses: tuple[Course, ...] = ()
        if door.sequence:
            self.courses = (Course(self, tuple(map(spot_of, door.sequence)), None),)
        self.strict = door.care.strict
        self._wanted, self._unwanted = int(door.flags.wanted), int(door.flags.unwanted)
        self._besides = frozenset(map(spot_of, door.care.besides))
        self._udp = any(each.proto is Proto.UDP for each in door.sequence)
        self._attempts: OrderedDict[Attempt, None] = OrderedDict()
        self._steps: OrderedDict[Attempt, None] = OrderedDict()
        self._failures: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._spent: set[int] = set()

    # --- knocks ------------------------------------------------------------

    def heeds(self, spot: int, flags: int) -> bool:
        """Whether a packet's flags are right; those of UDP always are."""
        if not spot & 1:
            return True
        return flags & self._wanted == self._wanted and not flags & self._unwanted

    def minds(self, spot: int, flags: int) -> bool:
        """Whether a packet to a port of no door spoils an attempt: it begins something."""
        if not self.strict or spot in self._besides:
            return False
        return flags & _SYN_ACK == _SYN if spot & 1 else self._udp

    @property
    def minds_udp(self) -> bool:
        return self.strict and self._udp

    def is_repeat(self, attempt: Attempt, spot: int) -> bool:
        """Whether a knock is the last one again, and that does no harm here."""
        before = attempt.course.spots[attempt.stage - 1]
        return self.door.care.ignore_repeats and spot == before

    # --- attempts ----------------------------------------------------------

    def __len__(self) -> int:
        return len(self._attempts)

    def add(self, attempt: Attempt) -> None:
        self._attempts[attempt] = None

    def stepped(self, attempt: Attempt, now: float) -> None:
        """An attempt got one knock further."""
        seconds = self.door.care.step_timeout
        if seconds is not None:
            attempt.step_deadline = now + seconds
            self._steps[attempt] = None
            self._steps.move_to_end(attempt)

    def remove(self, attempt: Attempt) -> None:
        del self._attempts[attempt]
        self._steps.pop(attempt, None)

    def over(self, now: float) -> Iterator[Attempt]:
        """Each attempt whose time is up; it has to be removed before the next is asked for."""
        while self._attempts and (first := next(iter(self._attempts))).deadline <= now:
            yield first
        while self._steps and (first := next(iter(self._steps))).step_deadline <= now:
            yield first

    def next_end(self) -> float:
        """When the next attempt ends; infinite: there is none."""
        first = next(iter(self._attempts)).deadline if self._attempts else NEVER
        step = next(iter(self._steps)).step_deadline if self._steps else NEVER
        return min(first, step)

    def all(self) -> list[Attempt]:
        return list(self._attempts)

    # --- failures ----------------------------------------------------------

    def shuts_out(self, source: bytes, now: float) -> bool:
        """Whether a sender has failed too often to begin again."""
        limit = self.door.care.failures
        if limit is None or source not in self._failures:
            return False
        failed, since = self._failures[source]
        if now - since >= limit.seconds:
            del self._failures[source]
            return False
        return failed >= limit.most

    def failed(self, source: bytes, now: float) -> bool:
        """Count a failure; whether it is the one that shuts its sender out."""
        limit = self.door.care.failures
        if limit is None:
            return False
        failed, since = self._failures.pop(source, (0, now))
        if now - since >= limit.seconds:
            failed, since = 0, now
        if len(self._failures) >= MOST_FAILURES:
            self._failures.popitem(last=False)
        self._failures[source] = (failed + 1, since)
        return failed + 1 == limit.most

    # --- rotation ----------------------------------------------------------

    def turn(self, window: int) -> list[Attempt]:
        """Take the sequences of a window and its neighbours; attempts that lose theirs."""
        rotation = self.door.rotation
        if rotation is None:
            return []
        wanted = [window + each for each in _WINDOWS if window + each not in self._spent]
        kept = {each.window: each for each in self.courses if each.window in wanted}
        self._spent = {each for each in self._spent if each >= window + _WINDOWS[0]}
        self.courses = tuple(
            kept.get(each) or Course(self, self._spots(each), each) for each in wanted
        )
        return [each for each in self._attempts if each.course not in self.courses]

    def _spots(self, window: int) -> tuple[int, ...]:
        rotation = self.door.rotation
        if rotation is None:
            return ()
        return tuple(map(spot_of, sequence_of(rotation.secret, window, rotation.knocks)))

    def spend(self, window: int) -> list[Attempt]:
        """A sequence of a rotation opened the door, and opens it no more; attempts that lose it."""
        self._spent.add(window)
        self.courses = tuple(each for each in self.courses if each.window != window)
        return [each for each in self._attempts if each.course.window == window]
