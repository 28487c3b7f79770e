"""What is posted to a webhook: which events, and the JSON of each.

In here: the body, version 1. docs/webhooks.md has every field, and they stay: somebody parses
them.
Not in here: which events are alerts, and their words (voice_mail), sending (edges.webhook).

A webhook passes through other hands, so no key, no packet, and no command of a caller is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from watchword.dialects.fwknop.audit_events import what_happened
from watchword.dialects.fwknop.voice_json import fields_of, utc
from watchword.dialects.fwknop.voice_mail import alert
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Grant
from watchword.model.outcomes import CommandStarted, CycleOpening, Event, GrantEnded, Judged
from watchword.model.settings import WebhookKind

VERSION: Final = 1
_SECRET: Final = ("command",)  # a caller's, and an operator's, which may have a key in it
_encode = json.JSONEncoder(separators=(",", ":")).encode


def notice(event: Event, table: str, host: str, now: float) -> Mapping[str, Any] | None:
    """The fields about an event; None: it is no alert.

    ``table`` and ``host`` as for ``voice_mail.alert``; ``now`` is Unix seconds.
    """
    text = alert(event, table, host)
    if text is None:
        return None
    fields = _fields(event, now)
    return {
        "time": utc(now),
        "host": host,
        "kind": kind_of(event).value,
        "text": text.partition(" fwknopd: ")[2],
        "event": {name: value for name, value in fields.items() if name not in _SECRET},
    }


def untold(count: int, host: str, now: float) -> Mapping[str, Any]:
    """What is told of events that there were too many of."""
    return {
        "time": utc(now),
        "host": host,
        "kind": WebhookKind.MORE.value,
        "text": f"{count} more alerts, which are in the log",
        "event": {"count": count},
    }


def body(name: str, fields: Mapping[str, Any]) -> bytes:
    """The body of a request, ASCII. ``name``: the same each time that one notice is sent."""
    return _encode({"version": VERSION, "id": name, **fields}).encode("ascii")


def kind_of(event: Event) -> WebhookKind:
    """Of an event that is an alert."""
    match event:
        case Judged(grant=Grant()):
            return WebhookKind.GRANTED
        case Judged():
            return WebhookKind.REFUSED
        case GrantEnded():
            return WebhookKind.ENDED
        case CommandStarted() | CycleOpening():
            return WebhookKind.COMMAND
        case _:
            return WebhookKind.TROUBLE


def _fields(event: Event, now: float) -> Mapping[str, Any]:
    if isinstance(event, Judged):
        return {"event": "packet", **fields_of(event)}
    if isinstance(event, HostTrouble):
        return {"event": "trouble", "part": event.part, "message": event.message[:300]}
    return what_happened(event, now) or {}
