"""What a grant does against others at the same address: in the log, and in structured lines.

Not in here: every other line (voice_packets, voice_grants) and field (voice_json, audit_events).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.openings import Grant
from watchword.model.outcomes import AddressShared, Together

_SHOWN = 12  # names of people in one line
_USER = 64


def fields(grant: Grant) -> dict[str, str | int | list[str]]:
    """Fields beside those that every grant has."""
    found: dict[str, str | int | list[str]] = {}
    if grant.tickets:
        found["connections"] = len(grant.tickets)
    if grant.door_until is not None and grant.door_until < grant.until:
        found["door_seconds"] = door_seconds(grant)
    if grant.lease is not None:
        found["lease"] = grant.lease.value
    return found


def door_seconds(grant: Grant) -> int:
    """For how long after its packet somebody new is let in, while it is in force."""
    return max(1, round(grant.ends - grant.began - (grant.until - grant.shuts)))


def granted(grant: Grant, name: str) -> Iterator[Line]:
    """What is said of a new grant after its rules; ``name`` is that of its stanza."""
    if grant.tickets:
        count = len(grant.tickets)
        what = "1 new connection" if count == 1 else f"{count} new connections"
        each = " to each of its services" if len(grant.services) > 1 else ""
        yield Priority.INFO, f"{name} Rule {grant.id} lets in {what}{each}, and no more"
    if grant.door_until is not None and grant.door_until < grant.until:
        yield (
            Priority.INFO,
            f"{name} Rule {grant.id} lets in who comes within {door_seconds(grant)} seconds",
        )
    if grant.lease is not None:
        yield Priority.INFO, f"{name} {grant.who} is held by {grant.user[:_USER]} until then"


def shared(event: AddressShared) -> Line:
    who, holder = event.who, event.holder
    if event.how is Together.COUNT or holder is None:
        said = names(event.people, event.number)
        return Priority.INFO, f"{event.number} people share {who}: {said}"
    held = f"{holder.user[:_USER]} holds (rule {holder.id})"
    user = event.people[0][:_USER] if event.people else "somebody"
    if event.how is Together.WAITS:
        return Priority.INFO, f"{user} waits for {who}, which {held}"
    return Priority.WARNING, f"{user} was let in at {who}, which {held}"


def names(people: tuple[str, ...], number: int) -> str:
    """As they call themselves, the first of so many."""
    more = number - len(people[:_SHOWN])
    return ", ".join(each[:_USER] for each in people[:_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )
