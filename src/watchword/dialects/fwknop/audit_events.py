"""Which events are entries of the audit journal, and what each entry says.

In here: the names and fields of entries; docs/audit.md has them all.
Not in here: the chain (dialects.audit), judgements as fields (voice_json).

What needs no key to bring about is left out: strangers do not write here. Commands of callers
are told as the log tells them. No key and no packet is in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from watchword.dialects.fwknop import voice_callers, voice_doors, voice_sharing
from watchword.dialects.fwknop.voice_json import fields_of, utc
from watchword.model.daemon_events import LimitReached, ReloadRefused, Starting, Stopped, Stopping
from watchword.model.openings import Grant
from watchword.model.outcomes import (
    AddressShared,
    Changed,
    CommandStarted,
    CycleClosing,
    CycleNotClosed,
    CycleOpening,
    Disowned,
    Event,
    Flooded,
    GrantEnded,
    GrantStays,
    Judged,
    Knocked,
    Restored,
)
from watchword.model.reasons import Stage
from watchword.model.requests import Request

_PEOPLE: Final = 20  # names that are listed
_LONGEST: Final = 300  # characters of a text


def what_happened(event: Event, now: float) -> dict[str, Any] | None:
    """The fields of an entry, given the Unix time; None: the event is none."""
    if isinstance(event, Judged):
        authentic = event.request is not None or event.grant is not None
        return {"event": "packet", **fields_of(event)} if authentic else None
    if isinstance(event, Knocked):
        told = voice_doors.fields_of(event)
        return {"event": "door", **told} if told else None
    found = _what(event)
    if found is None:
        return None
    name, fields = found
    return {"event": name, "time": utc(now), **fields}


_Entry: TypeAlias = tuple[str, Mapping[str, Any]]


def _what(event: Event) -> _Entry | None:
    if isinstance(event, Flooded):
        return _flooded(event)
    if isinstance(event, AddressShared):
        return "shared", _shared(event)
    return _of_life(event) or _of_grants(event) or _of_commands(event)


def _flooded(event: Flooded) -> _Entry | None:
    if event.reason.stage < Stage.REPLAY:
        return None
    said = {"reason": event.reason.word, "count": event.count, "source": event.last_peer}
    return "flooded", said


def _of_life(event: Event) -> _Entry | None:
    match event:
        case Starting(version, again):
            return ("reloaded" if again else "started"), {"version": version}
        case ReloadRefused(complaints):
            return "reload-refused", {"why": [str(each)[:_LONGEST] for each in complaints[:3]]}
        case Stopping(signal):
            return "signal", {"signal": signal}
        case LimitReached(packets):
            return "limit-reached", {"packets": packets}
        case Stopped():
            return "stopped", {}
        case _:
            return None


def _shared(event: AddressShared) -> Mapping[str, Any]:
    holder = {} if event.holder is None else {"holder": event.holder.id}
    listed = [each[:_LONGEST] for each in event.people[:_PEOPLE]]
    crowd = {"how": event.how.value, "count": event.number, "people": listed}
    return {"who": str(event.who), **crowd, **holder}


def _of_grants(event: Event) -> _Entry | None:
    match event:
        case GrantEnded(grant, ending):
            return "ended", {**_of(grant), "ending": ending.value}
        case GrantStays(grant, latest):
            return "stays", {**_of(grant), "latest": utc(latest)}
        case Changed(change):
            return "changed", {
                "action": change.action.value,
                "target": change.target[:_LONGEST],
                "uid": change.uid,
                "pid": change.pid,
                "result": change.result[:_LONGEST],
            }
        case Restored(grants, why):
            return "restored", {"grants": grants, "why": why}
        case Disowned(openings):
            return "disowned", {"openings": openings}
        case _:
            return None


def _of_commands(event: Event) -> _Entry | None:
    match event:
        case CommandStarted(request, command, account):
            whom = {} if account is None else {"account": account.user}
            return "command", {**_asked(request), "command": command[:_LONGEST], **whom}
        case CycleOpening(request, command):
            return "open-command", {**_asked(request), "command": command[:_LONGEST]}
        case CycleClosing(grant, command):
            return "close-command", {**_of(grant), "command": command[:_LONGEST]}
        case CycleNotClosed(grant, command, why):
            given_up = event.again is None and not event.at_start
            how = {"tries": event.tries, "given_up": given_up}
            said = {"command": command[:_LONGEST], "why": why[:_LONGEST]}
            return "close-failed", {**_of(grant), **said, **how}
        case _:
            return None


def _of(grant: Grant) -> dict[str, Any]:
    return {
        "grant": grant.id,
        "stanza": grant.stanza,
        "user": grant.user[:_LONGEST],
        "who": str(grant.who),
        **voice_callers.fields(grant),
        **voice_sharing.fields(grant),
        "services": [str(service) for service in grant.services],
    }


def _asked(request: Request) -> dict[str, Any]:
    return {
        "stanza": request.stanza,
        "user": request.user[:_LONGEST],
        "source": request.packet.peer,
    }
