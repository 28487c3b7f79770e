"""What only some grants have, as one text in the journal.

In here: both directions. Not in here: rows (journal), the file (database).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from watchword.model.addresses import canonical
from watchword.model.openings import Caller, Extent, Grant, Lease

_KNOWN: Final = {"extent", "also", "tickets", "door_until", "identity", "lease", "answers"}


def written(grant: Grant) -> str:
    """Empty: it has nothing of the kind."""
    found: dict[str, object] = {}
    if grant.extent is not None:
        found["extent"] = list(grant.extent)
    if grant.also:
        found["also"] = [[str(each.who), _extent(each.extent)] for each in grant.also]
    if grant.tickets:
        found["tickets"] = list(grant.tickets)
    if grant.door_until is not None:
        found["door_until"] = grant.door_until
    if grant.identity:
        found["identity"] = grant.identity
    if grant.lease is not None:
        found["lease"] = grant.lease.value
    if grant.answers:
        found["answers"] = True
    return json.dumps(found, separators=(",", ":")) if found else ""


def with_particulars(grant: Grant, text: str) -> Grant:
    """The grant with what ``written`` made. Raises ValueError, KeyError or TypeError if it is none
    of ours: something that is left out would let in more."""
    if not text:
        return grant
    found = json.loads(text)
    if type(found) is not dict or found.keys() - _KNOWN:
        raise ValueError("particulars that nobody knows")
    also = tuple(Caller(canonical(who), _read(part)) for who, part in found.get("also", ()))
    door, lease = found.get("door_until"), found.get("lease")
    return replace(
        grant,
        extent=_read(found.get("extent")),
        also=also,
        tickets=tuple(map(int, found.get("tickets", ()))),
        door_until=None if door is None else float(door),
        identity=str(found.get("identity", "")),
        lease=None if lease is None else Lease(lease),
        answers=bool(found.get("answers", False)),
    )


def _extent(extent: Extent | None) -> list[object] | None:
    return None if extent is None else list(extent)


def _read(row: Any) -> Extent | None:
    if row is None:
        return None
    port, bits, first = row
    return Extent(int(port), int(bits), bool(first))
