"""Orders as one line of JSON each.

In here: the form, written. Not in here: reading it (orders_read), framing (edges.pair).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

from watchword.model.addresses import Address
from watchword.model.openings import Hole, Lead, Opening
from watchword.model.orders import (
    Apply,
    Awaiting,
    CloseByCommand,
    Compile,
    Cut,
    Decrypt,
    Firewall,
    Mail,
    OpenByCommand,
    OpenControl,
    OpenDoor,
    OpenWay,
    Order,
    Plain,
    Prolong,
    Recognise,
    RunCommand,
    Settle,
    Through,
    Unused,
    UseUp,
)

_Fields = Mapping[str, Any]


def encode(order: Order) -> bytes:
    """Any order, as JSON in ASCII."""
    fields = {"do": order.value} if isinstance(order, Plain) else _WRITERS[type(order)](order)
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def _written_firewall(order: Firewall) -> _Fields:
    return {"do": "firewall", "what": order.what.value, "coming": order.coming}


def _written_apply(order: Apply) -> _Fields:
    rows = [
        [*_opening(each.opening), each.stanza, each.source.packed.hex(), each.door, each.grant]
        for each in order.add
    ]
    return {"do": "apply", "add": rows, "remove": list(order.remove), "coming": order.coming}


def _written_settle(order: Settle) -> _Fields:
    rows = [[door, who.packed.hex()] for door, who in order.taken]
    return {"do": "settle", "taken": rows, "coming": order.coming}


def _written_recognise(order: Recognise) -> _Fields:
    rows = [_opening(each) for each in order.openings]
    return {"do": "recognise", "openings": rows, "coming": order.coming}


def _written_cut(order: Cut) -> _Fields:
    return {"do": "cut", "holes": [_hole(each) for each in order.holes], "coming": order.coming}


def _written_through(order: Through) -> _Fields:
    return {"do": "through", "holes": [_hole(each) for each in order.holes]}


def _written_unused(order: Unused) -> _Fields:
    return {"do": "unused", "holes": [_hole(each) for each in order.holes]}


def _written_command(order: RunCommand) -> _Fields:
    return {
        "do": "command", "stanza": order.stanza, "command": order.command,
        "policy": order.policy,
    }  # fmt: skip


def _written_open(order: OpenByCommand) -> _Fields:
    return {
        "do": "open", "stanza": order.stanza, "who": order.who.packed.hex(),
        "source": order.source.packed.hex(), "destination": _told(order.destination),
        "proto": order.service.proto.value, "port": order.service.port,
        "ends": order.ends, "seconds": order.seconds, "policy": order.policy, "grant": order.grant,
    }  # fmt: skip


def _written_door(order: OpenDoor) -> _Fields:
    return {
        "do": "door", "door": order.door, "who": order.who.packed.hex(), "policy": order.policy,
    }  # fmt: skip


def _written_use(order: UseUp) -> _Fields:
    sequence = [[each.proto.value, each.port] for each in order.sequence]
    return {"do": "use", "door": order.door, "sequence": sequence, "policy": order.policy}


def _written_close(order: CloseByCommand) -> _Fields:
    return {"do": "close", "argv": order.argv}


def _written_prolong(order: Prolong) -> _Fields:
    return {"do": "prolong", "argv": order.argv, "until": order.until, "grant": order.grant}


def _written_decrypt(order: Decrypt) -> _Fields:
    message = b64encode(order.message).decode("ascii")
    return {"do": "decrypt", "keyring": order.keyring.hex(), "message": message}


def _written_awaiting(order: Awaiting) -> _Fields:
    return {"do": "awaiting", "what": order.what}


def _written_mail(order: Mail) -> _Fields:
    return {"do": "mail", "subject": order.subject}


def _written_way(order: OpenWay) -> _Fields:
    return {
        "do": "way", "way": order.way.value, "family": order.family, "port": order.port,
        "path": order.path,
    }  # fmt: skip


def _written_compile(order: Compile) -> _Fields:
    return {"do": "compile", "text": order.text}


def _written_control(order: OpenControl) -> _Fields:
    return {"do": "control", "answers": order.answers, "changes": order.changes}


def _told(address: Address | None) -> str | None:
    return None if address is None else address.packed.hex()


def _hole(hole: Hole) -> list[object]:
    who, service, destination, lead, extent, ticket, answers = hole
    proto, port = ("", 0) if service is None else (service.proto.value, service.port)
    to = None if lead is None else _lead(lead)
    part = None if extent is None else list(extent)
    return [who.packed.hex(), proto, port, _told(destination), to, part, ticket, answers]


def _lead(lead: Lead) -> list[object]:
    host, port, everything, source = lead
    seen = None if source is None else [_told(source.address)]
    return [_told(host), port, everything, seen]


def _opening(opening: Opening) -> list[object]:
    return [*_hole(opening.hole), opening.until]


_WRITERS: Final[Mapping[type, Callable[[Any], _Fields]]] = {
    Firewall: _written_firewall, Apply: _written_apply, Settle: _written_settle,
    Recognise: _written_recognise,
    Cut: _written_cut, Through: _written_through, Unused: _written_unused,
    RunCommand: _written_command,
    OpenByCommand: _written_open, OpenDoor: _written_door, UseUp: _written_use,
    CloseByCommand: _written_close, Prolong: _written_prolong, Decrypt: _written_decrypt,
    Awaiting: _written_awaiting, Mail: _written_mail, OpenWay: _written_way,
    Compile: _written_compile, OpenControl: _written_control,
}  # fmt: skip
