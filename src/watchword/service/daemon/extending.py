"""What it takes to let a grant last longer, of whichever kind it is.

In here: whether so much more time may be, and the grant with its later end.
Not in here: doing it (enforcer, cycles), who may ask (changes).
"""

from __future__ import annotations

from dataclasses import replace

from watchword.errors import OperatorError
from watchword.model.moments import Moment
from watchword.model.openings import Grant


def not_in_force(name: str) -> OperatorError:
    return OperatorError(f"no grant {name} is in force", hint="see watchword grants")


def check_extension(grant: Grant, seconds: float, most: float | None, now: Moment) -> None:
    """Raises OperatorError: more time would remain than may."""
    if grant.door_until is not None:
        raise OperatorError(
            f"grant {grant.id} lets nobody new in by more time: how many come in, or until when, "
            "was settled by the packet (MAX_CONNECTIONS, DOOR_TIMEOUT)",
            hint="have its caller knock again",
        )
    remaining = grant.until - now.steady
    if most is not None and remaining + seconds > most:
        possible = max(0, int(most - remaining))
        who, by = f"stanza #{grant.stanza}", "MAX_FW_TIMEOUT"
        if grant.door:
            who, by = f"door {grant.door}", "Cmd_Timeout"
        raise OperatorError(
            f"{who} lets nobody in for more than {most:g} seconds "
            f"({by}), and {int(remaining)} of them remain",
            hint=f"extend it by {possible} at most, or as root with --beyond-policy",
        )


def extended(grant: Grant, seconds: float) -> Grant:
    return replace(grant, ends=grant.ends + seconds, until=round(grant.until + seconds, 3))
