"""What is to be hidden until somebody is let in.

In here: GUARD_SERVICES and GUARD_PUBLIC, what they default to, and where they
contradict the stanzas.
Not in here: the firewall that hides (translate_firewall, edges.firewall).

Source: design, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from watchword.dialects.fwknop.access_conf_lists import UnfitError, services
from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_sources import doors
from watchword.errors import Place
from watchword.model.services import Service


class Offer(NamedTuple):
    """What one stanza lets its callers ask for."""

    place: Place
    services: frozenset[Service] | None
    """None: anything."""
    inside: frozenset[Service] | None = None
    """Services that are reached by other ports than their own, so that ``services`` are ports
    that lead elsewhere; None: callers are led nowhere."""


class Shield(NamedTuple):
    everything: bool = False
    hidden: tuple[Service, ...] = ()
    """Sorted; empty if ``everything``."""
    public: tuple[Service, ...] = ()
    """Sorted; empty unless ``everything``."""


def guard(values: Values, offers: Sequence[Offer], complaints: Complaints) -> Shield:
    """What is hidden. A value to be used only if no complaint was fatal."""
    ours = doors(values)
    public = _services("GUARD_PUBLIC", values, complaints)
    if values.text("GUARD_SERVICES").upper() == "ALL":
        _remark_exposed(offers, public, complaints, hint="take it out of GUARD_PUBLIC")
        return Shield(everything=True, public=tuple(sorted(public | ours)))
    if "GUARD_PUBLIC" in values.given:
        complaints.remark(
            "GUARD_PUBLIC has no effect without GUARD_SERVICES ALL", values.place("GUARD_PUBLIC")
        )
    if "GUARD_SERVICES" not in values.given:
        return Shield(hidden=_everything_offered(offers, ours, complaints))
    hidden = _services("GUARD_SERVICES", values, complaints)
    for door in sorted(ours & hidden):
        complaints.refuse(
            f"GUARD_SERVICES would hide {door}, the port that packets come to, from everybody",
            values.place("GUARD_SERVICES"),
            f"take {door} out of the list",
        )
    offered = frozenset[Service]().union(*(each.services or () for each in offers))
    _remark_exposed(offers, offered - hidden, complaints, hint="add it to GUARD_SERVICES")
    return Shield(hidden=tuple(sorted(hidden)))


def idle_guard(values: Values, complaints: Complaints) -> Shield:
    """With FIREWALL_ATTACH jump, and iptables, it is the operator's own chain that hides."""
    for name in ("GUARD_SERVICES", "GUARD_PUBLIC"):
        if name in values.given:
            complaints.remark(
                f"{name} has no effect where your own chains hide (FIREWALL_ATTACH jump)",
                values.place(name),
            )
    return Shield()


def _services(name: str, values: Values, complaints: Complaints) -> frozenset[Service]:
    if name not in values.given:
        return frozenset()
    try:
        return services(values.text(name))
    except UnfitError as unfit:
        complaints.refuse(
            f"{name} is no list of services: {shown(unfit.message, 200)}",
            values.place(name),
            "write services like tcp/22,udp/53",
        )
        return frozenset()


def _everything_offered(
    offers: Sequence[Offer], ours: frozenset[Service], complaints: Complaints
) -> tuple[Service, ...]:
    """The default: hide what the stanzas open. That must be known, and none of our own ports."""
    hidden: set[Service] = set()
    for offer in offers:
        if offer.services is None:
            complaints.refuse(
                "this stanza lets its callers ask for any port, so what to hide is not known",
                offer.place,
                "add OPEN_PORTS to the stanza, or GUARD_SERVICES (a list, or ALL) to fwknopd.conf",
            )
        elif own := sorted(ours & offer.services):
            complaints.refuse(
                f"OPEN_PORTS would hide {own[0]}, the port that packets come to, from everybody",
                offer.place,
                f"take {own[0]} out of OPEN_PORTS",
            )
        else:
            hidden |= offer.services | (offer.inside or frozenset()) - ours
    return tuple(sorted(hidden))


def _remark_exposed(
    offers: Sequence[Offer], exposed: frozenset[Service], complaints: Complaints, *, hint: str
) -> None:
    for offer in offers:
        if offer.inside is not None:
            continue  # by a port that is open to everybody, its callers are led elsewhere
        for service in sorted((offer.services or frozenset()) & exposed):
            complaints.remark(
                f"OPEN_PORTS names {service}, which is open to everybody anyway", offer.place, hint
            )
