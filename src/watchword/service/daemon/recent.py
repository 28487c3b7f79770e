"""What happened lately, for who asks the running daemon.

In here: bounded rings of events and refusals, and what is told of them.
Not in here: the log itself (edges.report), what lasts (journal, audit).

What strangers can bring about has a ring of its own, so that they push out
nothing but their own. Events are kept as they are and put into words when
somebody asks. No payload and no key is told of.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from typing import Final

from watchword.dialects.fwknop import remedies, voice, voice_doors
from watchword.dialects.fwknop.voice_json import fields_of
from watchword.model.outcomes import Event, Flooded, Judged, Knocked, Refusal
from watchword.model.packets import Packet
from watchword.model.requests import Sighting
from watchword.model.settings import LogSettings
from watchword.service.daemon.answers import whole_number
from watchword.service.daemon.control import Question
from watchword.service.daemon.restraint import is_overheard

MOST: Final = 1000  # events in each ring
_BYTES: Final = 1 << 19  # of one answer, roughly
_STANZAS: Final = 20  # numbers that are named
_LONGEST: Final = 300  # characters of a text


@dataclass(frozen=True, slots=True, order=True)
class _Kept:
    number: int
    at: float
    event: Event


class Recent:
    """Hears every event, and forgets all but the last ones."""

    def __init__(self, wall: Callable[[], float], log: LogSettings) -> None:
        """``wall``: Unix seconds; ``log``: what has words is worded as there."""
        self._wall = wall
        self._log = log
        self._began = wall()
        self._count = 0
        self._ours: deque[_Kept] = deque(maxlen=MOST)
        self._strangers: deque[_Kept] = deque(maxlen=MOST)

    def hear(self, event: Event) -> None:
        self._count += 1
        ring = self._strangers if is_overheard(event) else self._ours
        ring.append(_Kept(self._count, self._wall(), event))

    async def log(self, question: Question) -> dict[str, object]:
        """``after``: the number of the last event that is known; what came since, in pages."""
        return self._page(question, self._event)

    async def refusals(self, question: Question) -> dict[str, object]:
        """The same for packets that were refused, with what to do about it."""
        return self._page(question, _refused)

    def _page(
        self, question: Question, told: Callable[[_Kept], dict[str, object] | None]
    ) -> dict[str, object]:
        """``next`` is what to give as ``after``; ``more``: there are more already.

        ``began`` tells one run of the daemon from another: each counts from one.
        """
        after = whole_number(question, "after", 0, 1 << 53, default=0)
        found: list[dict[str, object]] = []
        size, last, more = 0, after, False
        for kept in self._since(after):
            if size > _BYTES:
                more = True
                break
            last = kept.number
            entry = told(kept)
            if entry is not None:
                found.append({"number": kept.number, **entry})
                size += len(json.dumps(entry))
        return {"events": found, "next": last, "more": more, "began": self._began}

    def _since(self, after: int) -> Iterator[_Kept]:
        rings = ([each for each in ring if each.number > after] for ring in self._both)
        return merge(*rings, key=lambda each: each.number)

    @property
    def _both(self) -> Iterable[deque[_Kept]]:
        return self._ours, self._strangers

    def _event(self, kept: _Kept) -> dict[str, object] | None:
        """None where nobody but a debugger hears of it."""
        said = voice.lines(kept.event, self._log)
        lines = [text for priority, text in said if priority < voice.Priority.DEBUG]
        if not lines:
            return None
        fields = fields_of(kept.event) if isinstance(kept.event, Judged) else {}
        if isinstance(kept.event, Knocked):
            fields = voice_doors.fields_of(kept.event)
        return {"at": kept.at, "event": _word(kept.event), "lines": lines, **fields}


def _word(event: Event) -> str:
    """``grant-ended`` for GrantEnded."""
    name = type(event.event if isinstance(event, Knocked) else event).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _refused(kept: _Kept) -> dict[str, object] | None:
    event = kept.event
    if isinstance(event, Flooded):
        return {
            **_reason(Refusal(event.reason)),
            "at": event.at,
            "source": event.last_peer,
            "count": event.count,
        }
    if not isinstance(event, Judged) or event.dry_run or event.refusal is None:
        return None
    return {"at": event.at, **_source(event.packet), **_reason(event.refusal)}


def _source(packet: Packet) -> dict[str, object]:
    return {"source": packet.peer, "source_port": packet.peer_port}


def _reason(refusal: Refusal) -> dict[str, object]:
    advice = remedies.advice(refusal)
    return {
        "stage": refusal.reason.stage.name.lower(),
        "reason": refusal.reason.word,
        "stanzas": list(refusal.stanzas[:_STANZAS]),
        "sentence": advice.sentence[:_LONGEST],
        "remedy": advice.remedy,
        **_first(refusal.original),
    }


def _first(original: Sighting | None) -> dict[str, object]:
    """When and from where a replayed packet came the first time, where that is known."""
    if original is None:
        return {}
    return {"first": {"at": original.at, "source": original.source}}
