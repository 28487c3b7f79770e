"""One line of JSON for each judged packet, for machines.

In here: the fields and their names.
Not in here: the classic lines (voice, voice_packets).

The names are ours and stay: somebody parses them, and docs/events.md has them all.
No key is in here, nothing that was encrypted but what is asked for, and no text of a
command. The first fields come in a fixed order and hold nothing that a sender can word:
filters that read lines from the left depend on it (packaging/fail2ban).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Final, TypeAlias

from watchword.dialects.fwknop import voice_callers, voice_sharing
from watchword.model.commands import Ran
from watchword.model.openings import Grant
from watchword.model.outcomes import Judged
from watchword.model.packets import Packet
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Request

Field: TypeAlias = str | int | float | list[str] | None

_encode = json.JSONEncoder(separators=(",", ":")).encode
_CARRIERS: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_LONGEST = 200  # characters of a text that came with a packet
_GRANTS = 20  # names listed of grants that were closed
_STANZAS = 20  # numbers listed; ``stanzas_tried`` has the count


def structured(event: Judged) -> str:
    """Compact JSON without a newline, ASCII only."""
    return _encode(fields_of(event))


def fields_of(event: Judged) -> dict[str, Field]:
    """The fields in their order. Those that do not apply are left out.

    ``time`` is UTC with milliseconds; ``verdict`` is ``granted``, ``ran`` (a
    command, whatever its ``status``), ``closed`` (grants of the caller's own), ``refused`` or
    ``would-grant`` (``--test``); ``seconds`` is what was granted, or asked for.
    """
    fields: dict[str, Field] = {"time": utc(event.at), **_packet_fields(event.packet)}
    fields["verdict"] = _verdict(event)
    fields["stanzas_tried"] = _tried(event)
    if event.ran is not None:
        fields.update(_ran_fields(event.ran))
    elif event.closed:
        fields["grants"] = [*event.closed[:_GRANTS]]
    elif event.refusals:
        fields.update(_refusal_fields(event))
    if event.grant is not None:
        fields.update(_grant_fields(event.grant, event.at if event.renewed else None))
    elif event.request is not None:
        fields.update(_request_fields(event.request))
    return fields


def _packet_fields(packet: Packet) -> dict[str, Field]:
    """What is known before anything was decrypted."""
    fields: dict[str, Field] = {"source": packet.peer, "source_port": packet.peer_port}
    if packet.local:
        fields["destination"] = packet.local
    if packet.local_port:
        fields["destination_port"] = packet.local_port
    fields["carrier"] = _CARRIERS.get(packet.protocol) or f"ip-{packet.protocol}"
    if packet.connected:
        fields["connected"] = True
    if packet.knock is not None:
        fields["knock"] = packet.knock.value
    fields["digest"] = hashlib.sha256(packet.payload).hexdigest()
    if packet.interface:
        fields["interface"] = packet.interface
    if packet.forwarded:
        fields["forwarded_for"] = packet.forwarded
    return fields


def _verdict(event: Judged) -> str:
    if event.grant is not None:
        return "granted"
    if event.ran is not None:
        return "ran"
    if event.closed:
        return "closed"
    return "would-grant" if event.dry_run else "refused"


def _tried(event: Judged) -> int:
    refused = sum(len(refusal.stanzas) for refusal in event.refusals)
    done = event.grant is not None or event.ran is not None or event.dry_run
    return refused + (done or bool(event.closed))


def _refusal_fields(event: Judged) -> dict[str, Field]:
    refusal = None if event.dry_run else event.refusal
    if refusal is None:
        return {}
    fields: dict[str, Field] = {
        "stage": refusal.reason.stage.name.lower(),
        "reason": refusal.reason.word,
    }
    if refusal.detail:
        fields["detail"] = refusal.detail[:_LONGEST]
    if refusal.code:
        fields["code"] = refusal.code
    if len(refusal.stanzas) == 1:
        fields["stanza"] = refusal.stanzas[0]
    return fields


def _ran_fields(ran: Ran) -> dict[str, Field]:
    """What a command said may be a secret, and is left out."""
    fields: dict[str, Field] = {"took": round(ran.seconds, 3)}
    if ran.status is None:
        fields["trouble"] = ran.trouble[:_LONGEST]
    else:
        fields["status"] = ran.status
    return fields


def _request_fields(request: Request) -> dict[str, Field]:
    who = request.packet.asker if request.allow is None else request.allow
    fields: dict[str, Field] = {
        "stanza": request.stanza,
        "user": request.user[:_LONGEST],
        "who": str(who),
    }
    if request.seconds:
        fields["seconds"] = request.seconds
    match request.wish:
        case AccessWish(services):
            fields["services"] = [str(service) for service in services]
        case ForwardWish(services, host, port, local):
            fields["services"] = [str(service) for service in services]
            fields["leads_to"] = f"{'here' if local else host}:{port}"[:_LONGEST]
        case CommandWish():
            pass  # what it says may be a secret of the caller's
    return fields


def _grant_fields(grant: Grant, renewed: float | None) -> dict[str, Field]:
    """``renewed``: the Unix seconds at which it was made to last longer; None: it is new."""
    fields: dict[str, Field] = {
        "stanza": grant.stanza,
        "user": grant.user[:_LONGEST],
        "who": str(grant.who),
        **voice_callers.fields(grant),
        **voice_sharing.fields(grant),
        "services": [str(service) for service in grant.services],
        **({"leads_to": str(grant.lead)} if grant.lead is not None else {}),
        "seconds": round(grant.ends - (grant.began if renewed is None else renewed)),
        "grant": grant.id,
    }
    if renewed is not None:
        fields["by"] = "renewal"
    if grant.cycle is not None:
        fields["by"] = "renewal" if grant.cycle.renewal else "commands"
    return fields


def utc(seconds: float) -> str:
    """Unix seconds as UTC with milliseconds, RFC 3339."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
