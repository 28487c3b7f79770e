"""Leads the caller of a stanza from a port that only he knows to the service.

In here: which port that is, for a packet that names one and for one that does not.
Not in here: the rule itself (model.secret_ports), where a grant leads otherwise (leads), whether
the port was somebody's a moment ago (crowd).
"""

from __future__ import annotations

from typing import NamedTuple

from watchword.model.openings import Hole, Lead
from watchword.model.policy import Terms
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, ForwardWish, Request
from watchword.model.secret_ports import assigned
from watchword.model.services import Service


class No(NamedTuple):
    """Why there is no way in."""

    reason: Reason
    detail: str = ""


class Way(NamedTuple):
    """Where to connect to, and where that leads."""

    service: Service
    lead: Lead


def way(
    terms: Terms,
    request: Request,
    wish: AccessWish | ForwardWish,
    lead: Lead | None,
    ports: tuple[int, int],
) -> Way | No:
    """For a request that may be granted. ``lead``: what it leads to without all this."""
    services = tuple(dict.fromkeys(wish.services))
    if len(services) > 1:
        return No(Reason.ONE_SERVICE_ONLY, ",".join(map(str, services)))
    service = services[0]
    if isinstance(wish, ForwardWish) and lead is not None and not terms.nat.forced:
        if not ports[0] <= service.port <= ports[1]:
            return No(Reason.PORT_NOT_SECRET, str(service))
        return Way(service, lead)
    outside = assigned(request.key.plaintext, service, ports)
    return Way(Service(service.proto, outside), lead or Lead(None, service.port))


def may_lead(terms: Terms, hole: Hole, ports: tuple[int, int]) -> str:
    """What speaks against a hole, going by the stanza alone; empty: nothing does."""
    service, lead = hole.service, hole.lead
    if service is None or not ports[0] <= service.port <= ports[1]:
        return f"its stanza opens ports from {ports[0]} to {ports[1]}"
    if hole.ticket > 0:
        return ""  # of a hole that leads somewhere
    if lead is None:
        return "its stanza opens no port that leads nowhere"
    if lead in terms.nat.forced or lead.host is not None:
        return ""  # which host, is looked at with those of others
    inside = Service(service.proto, lead.port)
    listed = any(each.admits(None, lead.port) for each in terms.nat.targets)
    return "" if terms.offers(inside) or listed else f"its stanza does not offer {inside}"
