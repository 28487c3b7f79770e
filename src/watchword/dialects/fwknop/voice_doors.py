"""What the server says of the doors that it looks after beside its packets.

In here: knockd's lines in fwknopd's log, and the structured line of a door that opened services.
Not in here: knockd's words (dialects.knockd.voice), the end of a grant, which is told as that of
any other (voice_grants).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.voice_json import Field, utc
from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.dialects.knockd import voice
from watchword.dialects.knockd.voice import Where
from watchword.model.door_events import ServicesOpened
from watchword.model.outcomes import Knocked

_encode = json.JSONEncoder(separators=(",", ":")).encode
_LONGEST: Final = 200  # characters of a door's name
_PRIORITIES: Final = {
    Where.LOG: Priority.INFO, Where.ERROR: Priority.WARNING, Where.DEBUG: Priority.DEBUG,
}  # fmt: skip


def lines(event: Knocked) -> Iterator[Line]:
    """As knockd writes them."""
    for where, text in voice.lines(event.event):
        yield _PRIORITIES[where], text


def structured(event: Knocked) -> str:
    """Compact JSON without a newline; empty: the event has none."""
    fields = fields_of(event)
    return _encode(fields) if fields else ""


def fields_of(event: Knocked) -> dict[str, Field]:
    """Of a door that opened services, its fields in their order; else none."""
    if not isinstance(event.event, ServicesOpened):
        return {}
    grant = event.event.grant
    return {
        "time": utc(event.at),
        "source": str(grant.source),
        "carrier": "knock",
        "verdict": "granted",
        "door": event.event.door[:_LONGEST],
        "who": str(grant.who),
        "services": [str(service) for service in grant.services],
        "seconds": round(grant.ends - event.at),
        "grant": grant.id,
    }
