"""Follows what the kernel tells of attempts at its doors, for the log's sake.

In here: from steps to progress, and which attempts have taken too long, which the kernel does not
tell. Not in here: whether anything counts or opens: the kernel has decided that.

Lines may be lost, so a step is believed as it comes. No clock and no I/O; attempts have a cap, and
beyond it the oldest is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from watchword.model.doors import Door, KernelStep, Progress, Step, address_of

MOST: Final = 65_536
"""Attempts at one door."""
_NEVER: Final = float("inf")
_Ends: TypeAlias = "OrderedDict[bytes, float]"


class _Attempts:
    """Those at one door, by their senders, in the order of their ends."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._ends: _Ends = OrderedDict()
        self._step_ends: _Ends = OrderedDict()
        self._stages: dict[bytes, int] = {}

    def heed(self, step: KernelStep, now: float) -> Progress:
        """One step further, or the end of it."""
        length = len(self.door.sequence)
        if step.stage == 0:
            return self._progress(Step.SPOILT, step.source, self.forget(step.source))
        if step.stage == 1 or step.source not in self._stages:
            self.forget(step.source)
            self._ends[step.source] = now + self.door.seq_timeout
        if step.stage >= length:
            self.forget(step.source)
        else:
            self._stages[step.source] = step.stage
            if self.door.care.step_timeout is not None:
                self._step_ends[step.source] = now + self.door.care.step_timeout
                self._step_ends.move_to_end(step.source)
            if len(self._stages) > MOST:
                self.forget(next(iter(self._ends)))
        return self._progress(Step.ADVANCED, step.source, min(step.stage, length))

    def forget(self, source: bytes) -> int:
        """How far it had come."""
        self._ends.pop(source, None)
        self._step_ends.pop(source, None)
        return self._stages.pop(source, 0)

    def over(self, now: float) -> Iterator[tuple[float, Progress]]:
        for ends in (self._ends, self._step_ends):
            while ends and ends[source := next(iter(ends))] <= now:
                at = ends[source]
                yield at, self._progress(Step.TIMED_OUT, source, self.forget(source))

    def next_end(self) -> float:
        return min(
            (next(iter(ends.values())) for ends in (self._ends, self._step_ends) if ends),
            default=_NEVER,
        )

    def _progress(self, step: Step, source: bytes, stage: int) -> Progress:
        return Progress(step, self.door, address_of(source), stage, len(self.door.sequence))


class KernelAttempts:
    """All that the kernel has told of, and that are not over."""

    def __init__(self, doors: Sequence[Door]) -> None:
        self._doors = {each.number: _Attempts(each) for each in doors}

    def heed(self, step: KernelStep, now: float) -> Progress | None:
        """What a step is, at steady seconds; None: there is no such door any more."""
        found = self._doors.get(step.door)
        return None if found is None else found.heed(step, now)

    def expire(self, now: float) -> list[Progress]:
        """Every attempt whose time is up, in the order of their ends."""
        over = [each for door in self._doors.values() for each in door.over(now)]
        over.sort(key=lambda each: each[0])
        return [progress for _, progress in over]

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` has something to do."""
        found = min((each.next_end() for each in self._doors.values()), default=_NEVER)
        return None if found == _NEVER else found
