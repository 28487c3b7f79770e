"""What a stanza does so that who shares an address with a caller does not share his grant.

In here: values. Not in here: keywords (dialects), what becomes of them (grant.ledger, grant.crowd,
edges.firewall).
"""

from __future__ import annotations

from watchword.model.openings import Feature, Lease
from watchword.record import record


@record
class SharingTerms:
    """As they stand, whoever has the address may use the grant, as with fwknop."""

    connections: int | None = None
    """New connections that a grant lets in to each of its services; None: any number."""
    door_seconds: int | None = None
    """For so long after a packet somebody new is let in; None: for as long as the grant."""
    secret_ports: tuple[int, int] | None = None
    """The first and last of the ports of which each grant gets one; None: callers connect to the
    service's own."""
    lease: Lease | None = None
    """None: nobody holds an address."""
    lease_seconds: int = 3600
    """For so long, from his first packet on, may somebody hold one."""
    identities: int | None = None
    """So many may have grants for one address at once; None: any number."""
    grants: int | None = None
    """The same of grants."""

    @property
    def features(self) -> frozenset[Feature]:
        """What a firewall has to be able to do for it."""
        needed = set()
        if self.connections is not None:
            needed.add(Feature.COUNT)
        if self.secret_ports is not None:
            needed.add(Feature.LOCAL_NAT)
        return frozenset(needed)


SHARED_BY_ALL = SharingTerms()
"""What a stanza does that says nothing of it."""
