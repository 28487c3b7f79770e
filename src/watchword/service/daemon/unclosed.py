"""Grants whose closing commands failed: when they are tried again, and which are given up.

In here: the pauses, who waits, who waits for a person.
Not in here: running the commands (closer), what is told of it (closer, status).

What is given up stays in the journal without an end: the next start tries it
again, and so does ``watchword revoke``, which is the end of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from watchword.model.openings import Ending, Grant
from watchword.record import record

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds from a try that failed to the next one. Three quarters of an hour in all: a lock that
somebody holds, a script that is just being replaced, a firewall that is started anew."""
MOST: Final = 100  # that wait for a person; the oldest one has to go then


@record
class Unclosed:
    """One grant, with those of its closing commands that have not succeeded yet."""

    grant: Grant
    ending: Ending
    """Why it is over."""
    tries: int = 0
    """How often that was tried."""
    why: str = ""
    """What was the matter the last time."""
    last: bool = False
    """True: somebody asked for one more try, after which it is over whatever comes of it."""

    def failed(self, grant: Grant, why: str) -> Unclosed:
        """After one more try; ``grant`` has what is left to run."""
        return replace(self, grant=grant, tries=self.tries + 1, why=why)


class Waiting:
    """Those that will be tried again, and those that a person has to see to."""

    def __init__(self, again: Callable[[Unclosed], None], pauses: Sequence[float]) -> None:
        """``again`` is called when one is to be tried again."""
        self.in_use: Callable[[Grant], bool] = lambda grant: False
        """Whether the same caller has the same open by another grant, which closing would end."""
        self._again = again
        self._pauses = pauses
        self._timers: dict[str, tuple[Unclosed, asyncio.TimerHandle]] = {}
        self._given_up: dict[str, Unclosed] = {}

    def pause(self, tries: int) -> float | None:
        """Seconds until the next try after so many; None: there is none."""
        return self._pauses[tries - 1] if tries <= len(self._pauses) else None

    def add(self, each: Unclosed) -> Unclosed | None:
        """Wait for the next try, or for a person. Returns the one that there is no room for."""
        pause = self.pause(each.tries)
        if pause is not None:
            timer = asyncio.get_running_loop().call_later(pause, self._due, each)
            self._timers[each.grant.id] = (each, timer)
            return None
        self._given_up[each.grant.id] = each
        if len(self._given_up) <= MOST:
            return None
        return self._given_up.pop(next(iter(self._given_up)))

    def _due(self, each: Unclosed) -> None:
        del self._timers[each.grant.id]
        if self.in_use(each.grant):
            self.add(each)
        else:
            self._again(each)

    def take(self, wanted: Callable[[Grant], bool]) -> list[Unclosed]:
        """Those of both kinds that are wanted; they wait no more."""
        found = [each for each in self if wanted(each.grant)]
        for each in found:
            self._given_up.pop(each.grant.id, None)
            if each.grant.id in self._timers:
                self._timers.pop(each.grant.id)[1].cancel()
        return found

    def take_due(self) -> list[Unclosed]:
        """Those that would be tried again, without those that wait for a person."""
        return self.take(lambda grant: grant.id in self._timers)

    @property
    def trying(self) -> int:
        """How many wait for another try."""
        return len(self._timers)

    def is_given_up(self, each: Unclosed) -> bool:
        return each.grant.id in self._given_up

    def __len__(self) -> int:
        return len(self._timers) + len(self._given_up)

    def __iter__(self) -> Iterator[Unclosed]:
        yield from [each for each, _ in self._timers.values()]
        yield from list(self._given_up.values())
