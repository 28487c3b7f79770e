"""Openings for backends, or parts of them, that only open services where they are.

In here: one refusal. Not in here: backends; what they can do is declared as features, and a
policy that needs more is refused before anything gets here.
"""

from __future__ import annotations

from watchword.errors import HostError
from watchword.model.openings import Hole
from watchword.model.services import Service


def service_of(hole: Hole) -> Service:
    """The service that a hole lets in to. Raises HostError: it leads elsewhere."""
    if hole.service is None or hole.lead is not None:
        raise HostError(f"nothing here can lead {hole.who} on ({hole.lead})")
    if hole.extent is not None:
        raise HostError(f"nothing here can let in just {hole.who}{hole.extent}")
    if hole.ticket:
        raise HostError(f"nothing here counts the connections of {hole.who}")
    if hole.answers:
        raise HostError(f"nothing here lets just the answers to {hole.who} out")
    return hole.service
