"""Keeps strangers from writing our log.

In here: which judgements are told one by one, and when they are only counted.
Not in here: wording (dialects), writing (edges.report).

What a stranger can bring about as often as he likes is told one by one as long
as it is rare. From then on it is counted, and told once a second and kind,
until a second has passed in which it was rare again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from watchword.model.door_events import Noise, Told
from watchword.model.outcomes import Event, Flooded, Judged, Knocked
from watchword.model.reasons import Reason, Stage

RARE = 10  # judgements of one kind in a second that are told one by one
SECOND = 1.0
CHEAP: Final[frozenset[Reason]] = frozenset(
    reason for reason in Reason if reason.stage <= Stage.REPLAY
) | {Reason.TOO_OLD, Reason.KEY_BLOCKED, Reason.WRONG_SYSTEM, Reason.KNOCK_LIMIT}
"""What costs its sender nothing: no key is needed for it, or packets that were overheard, or
a key that is known to be in the wrong hands.

To a stanza without an HMAC key, garbage may look like anything up to a text
that makes no sense.
"""


def is_overheard(event: Event) -> bool:
    """Whether no key is needed for an event, or an overheard packet is enough."""
    if isinstance(event, Judged):
        return event.grant is None and event.refusal is not None and event.refusal.reason in CHEAP
    if isinstance(event, Knocked):
        return isinstance(event.event, (Told, Noise))
    return isinstance(event, Flooded)


@dataclass(slots=True)
class _Tally:
    began: float
    told: int = 0
    untold: int = 0
    quiet: bool = False
    """Nothing is told one by one: the second before was a flood."""
    last_peer: str = ""


class Restraint:
    """Counts by reason, second by second."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        """Set while there is something to close."""
        self._tallies: dict[tuple[Reason, bool], _Tally] = {}

    def tells(self, reason: Reason, peer: str, steady: float, *, connected: bool = False) -> bool:
        """Whether a judgement is told on its own; if not, it is counted.

        What ``connected`` senders bring is counted apart: nobody hides that behind datagrams.
        """
        if reason not in CHEAP:
            return True
        tally = self._tallies.get((reason, connected))
        if tally is None:
            tally = self._tallies[reason, connected] = _Tally(steady)
            self.stirred.set()
        if tally.quiet or tally.told >= RARE:
            tally.untold += 1
            tally.last_peer = peer
            return False
        tally.told += 1
        return True

    def close_second(self, steady: float, wall: float) -> list[Flooded]:
        """What was counted and not told in seconds that are over. Call now and then."""
        floods = []
        for kind, tally in list(self._tallies.items()):
            passed = steady - tally.began
            if passed < SECOND:
                continue
            if tally.untold:
                floods.append(Flooded(kind[0], tally.untold, passed, tally.last_peer, wall))
            if tally.told + tally.untold <= RARE * passed:
                del self._tallies[kind]
            else:
                self._tallies[kind] = _Tally(steady, quiet=True)
        if not self._tallies:
            self.stirred.clear()
        return floods
