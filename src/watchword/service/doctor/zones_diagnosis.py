"""Says what is wrong between a server and firewalld.

In here: whether firewalld is there, and what its zones let everybody reach. Not in here: other
firewalls (firewall_diagnosis), asking firewalld (edges.firewall.firewalld).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from watchword.edges.firewall.firewalld.offers import Offer, offers
from watchword.edges.firewall.firewalld.ways import way_to
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings
from watchword.model.policy import Policy
from watchword.model.services import Service
from watchword.ports import ProgramRunner
from watchword.service.doctor.findings import Finding, fault, fine


def examined(
    firewall: FirewallSettings, policy: Policy, own: Collection[Service], programs: ProgramRunner
) -> Iterator[Finding]:
    """``own``: what the daemon itself listens on."""
    firewalld = way_to(firewall.exe, programs)
    try:
        firewalld.families()
        zones = sorted(frozenset(firewall.firewalld.zones) or firewalld.zones())
        found = [each for zone in zones for each in offers(firewalld, zone)]
    except HostError as error:
        yield fault("attachment", str(error), error.hint)
        return
    finally:
        firewalld.close()
    yield fine("attachment", f"grants are rich rules of firewalld in {', '.join(zones)}")
    opened = {each for terms in policy.stanzas for each in terms.open_services or ()}
    yield from told(found, zones, opened, own)


def told(
    found: Collection[Offer],
    zones: Collection[str],
    opened: Collection[Service],
    own: Collection[Service],
) -> Iterator[Finding]:
    """What it means. ``opened``: what grants are for."""
    public = {(each, offer) for each in opened for offer in found if offer.has(each)}
    for service, offer in sorted(public, key=str):
        yield fault(
            "reach",
            f"{service} is open to everybody in the zone {offer.zone} of firewalld: nothing "
            "hides it",
            _remedy(offer),
        )
    if opened and not public:
        services = ", ".join(map(str, sorted(opened, key=str)))
        yield fine("reach", f"no zone lets everybody reach {services}")
    for service in own:
        closed = [
            zone for zone in zones if not any(o.zone == zone and o.has(service) for o in found)
        ]
        for zone in closed:
            yield fault(
                "rules",
                f"the zone {zone} of firewalld lets nobody's packet in to {service}",
                f"firewall-cmd --permanent --zone={zone} "
                f"--add-port={service.port}/{service.proto}, and without --permanent",
            )


def _remedy(offer: Offer) -> str:
    if not offer.by:
        return f"the target of the zone {offer.zone} is ACCEPT: give its interfaces another zone"
    return (
        f"firewall-cmd --permanent --zone={offer.zone} --remove-{offer.by}, and without --permanent"
    )
