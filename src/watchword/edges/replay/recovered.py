"""What is left of a grant when it is found again after a restart."""

from __future__ import annotations

from dataclasses import replace

from watchword.model.moments import Moment
from watchword.model.openings import Grant


def recovered(grant: Grant, noted_in: str, running: str, now: Moment) -> Grant:
    """The grant with its end on the steady clock of the running boot.

    ``noted_in`` and ``running`` are boot ids (edges.clock); an empty one is
    unknown and equals no other. Another boot's steady clock means nothing, so
    the end is worked out from the wall clock, and a clock that was set back
    meanwhile cannot make the rest longer than the whole was.
    """
    if noted_in and noted_in == running:
        return grant
    left = min(grant.ends - now.wall, grant.ends - grant.began)
    until = now.steady + left
    door = None if grant.door_until is None else until + (grant.door_until - grant.until)
    return replace(grant, until=until, door_until=door)
