"""Grants in force as rows: plain values for JSON, cells for people.

In here: what is told of a grant, and its table.
Not in here: where grants come from (answers, listing), the live view (grants_watch).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # who only prints a table has no grants, and starts without what makes them
    from watchword.grant.crowd import People
    from watchword.model.moments import Moment
    from watchword.model.openings import Grant
    from watchword.model.services import Service

HEAD: Final = (
    "grant", "ends in", "for", "services", "from", "user", "stanza", "since", "in the firewall",
)  # fmt: skip
_PEOPLE: Final = 12  # of an address, named one by one
_LONGEST = 40  # characters of a cell


def row(
    grant: Grant,
    missing: Collection[Service],
    now: Moment,
    stays: float | None = None,
    *,
    left: int | None = None,
    people: People | None = None,
) -> dict[str, object]:
    """What is told of one grant. Times are Unix seconds, ``remaining`` is seconds.

    ``missing``: services that it should have opened, and that are not open. ``stays``: until
    when it stays while somebody is connected; None: it does not. ``left``: connections that may
    still be made, where they are counted and somebody knows. ``people``: who is at the address, if
    somebody knows.
    """
    by_commands = grant.cycle is not None
    return {
        "grant": grant.id,
        "who": str(grant.who),
        "whom": [str(each) for each in grant.callers],
        "services": [str(each) for each in grant.services],
        "leads_to": str(grant.lead) if grant.lead is not None else None,
        "destination": str(grant.destination) if grant.destination else None,
        "source": str(grant.source),
        "user": grant.user,
        "stanza": grant.stanza,
        "door": grant.door or None,
        "key": grant.key,
        "since": grant.began,
        "ends": grant.ends,
        "remaining": round(max(0.0, grant.until - now.steady), 3),
        "stays_until": stays,
        "connections": len(grant.tickets) or None,
        "connections_left": left,
        "door_until": None if grant.door_until is None else grant.ends - grant.until + grant.shuts,
        "door_open": grant.shuts > now.steady and left != 0,
        "lease": None if grant.lease is None else grant.lease.value,
        "people": list(people.names) if people else [],
        "people_count": people.number if people else 0,
        "by": "commands" if by_commands else "firewall",
        "closed_by_command": bool(grant.cycle and grant.cycle.closings),
        "in_force": not missing,
        "missing": [str(each) for each in missing],
    }


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows for a person, with a head; whatever a caller called himself, one line each."""
    if not rows:
        return ["no grants in force"]
    cells = [_cells(each) for each in rows]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
    return [
        *(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (HEAD, *cells)
        ),
        *_crowds(rows),
    ]


def _crowds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who shares an address, a line for each."""
    crowds = {str(each["who"]): _crowd(each) for each in rows}
    return [
        f"{number} people share {who}: {', '.join(map(_plain, people))}"
        + (f" and {number - len(people)} more" if number > len(people) else "")
        for who, (number, people) in crowds.items()
        if number > 1
    ]


def _crowd(told: Mapping[str, Any]) -> tuple[int, Sequence[str]]:
    """How many share its address, and the first of them."""
    people = told.get("people") or ()
    return told.get("people_count") or len(people), people[:_PEOPLE]


def _cells(told: Mapping[str, Any]) -> Sequence[str]:
    since = datetime.fromtimestamp(told["since"], UTC).astimezone()
    found = (
        str(told["grant"]),
        f"{told['remaining']:.0f} s" + (", stays" if told.get("stays_until") else ""),
        ", ".join(told.get("whom") or [str(told["who"])]),
        _what(told),
        str(told["source"]),
        str(told["user"]),
        _which(told),
        since.isoformat(" ", timespec="seconds")[:19],
        _where(told),
    )
    return [_plain(each) for each in found]


def _which(told: Mapping[str, Any]) -> str:
    """Its stanza, or that it is a door's, whose name stands in the place of the user's."""
    if told.get("door"):
        return "door"
    return f"#{told['stanza']}" if told["stanza"] is not None else "gone"


def _what(told: Mapping[str, Any]) -> str:
    services, lead = ",".join(told["services"]), told.get("leads_to")
    return services if lead is None else f"{services} to {lead}"


def _where(told: Mapping[str, Any]) -> str:
    if told["by"] == "commands":
        closed = "one closes it" if told["closed_by_command"] else "no close"
        return f"no: a command opened it, {closed}"
    if told["missing"]:
        return f"NO: {','.join(told['missing'])}"
    said = ["yes"]
    if told.get("connections_left") is not None:
        said.append(f"{told['connections_left']} of {told['connections']} connections left")
    if told.get("connections_left") != 0 and not told.get("door_open", True):
        said.append("nobody new")
    if told.get("lease"):
        said.append("held")
    return ", ".join(said)


def _plain(text: str) -> str:
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)
