"""For whom a grant is, where it is not for one whole address: for structured lines.

Not in here: every other field (voice_json, audit_events).
"""

from __future__ import annotations

from watchword.model.openings import Grant


def fields(grant: Grant) -> dict[str, str | int | list[str]]:
    """Fields beside ``who``; none for one whole address."""
    found: dict[str, str | int | list[str]] = {}
    if grant.extent is not None and grant.extent.port:
        found["from_port"] = grant.extent.port
    elif grant.extent is not None:
        found["prefix"] = grant.extent.bits
        if grant.extent.first:
            found["only"] = "the first that connects"
    if grant.also:
        found["also"] = [str(each) for each in grant.also]
    return found
