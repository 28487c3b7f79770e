"""Which live connections came in through which holes.

In here: connections as they arrived, beside what each looks like behind a translation, and
those that certain holes let in. Not in here: reading them from the kernel (connections,
conntrack), ending them (passes, cutting).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from watchword.edges.firewall.nft.connections import (
    Connection,
    Sockets,
    prefixes_of,
    read_sockets,
)
from watchword.edges.firewall.nft.conntrack import passing, redirected
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.model.addresses import Address
from watchword.model.openings import Hole, Lead


class Arrivals(NamedTuple):
    """Who is connected, through what."""

    sockets: Sockets
    """Connections that end at sockets here and were made to those."""
    led: Mapping[Connection, Connection]
    """Those that were led on, each with what it looks like behind: that may be a socket here."""
    transit: frozenset[Connection]
    """Of callers who may pass through, what passes through."""

    @property
    def here(self) -> frozenset[Connection]:
        """All that came to this host."""
        return self.sockets.connections | self.led.keys()

    def through(
        self, holes: Collection[Hole], *, translated: bool = False
    ) -> frozenset[Connection]:
        """Those that these holes let in; ``transit`` has to have been asked for.

        ``translated``: who lets in looks at packets after others have translated where they go.
        """
        plain = {hole.door for hole in holes if hole.lead is None}
        leads = {hole.door: hole.lead for hole in holes if hole.lead is not None}
        near = prefixes_of(plain)
        found = {each for each in self.here if each.came_through(plain, near)}
        if translated:
            found |= {x for x, inside in self.led.items() if inside.came_through(plain, near)}
        for each, inside in self.led.items():
            for door in each.doors:
                lead = leads.get(door)
                if lead is not None and _leads_to(lead, each, inside):
                    found.add(each)
        who = passing_through(holes)
        return frozenset(found) | {each for each in self.transit if each.remote in who}


def arrivals(netlink: Netlink, transit: Collection[Address] = ()) -> Arrivals:
    """As the kernel has them now. ``transit``: whose connections are wanted that only pass
    through. Raises HostError."""
    led = redirected(netlink)
    sockets = read_sockets()
    ends = frozenset(inside for each, inside in led.items() if inside != each)
    here = sockets._replace(connections=sockets.connections - ends)
    return Arrivals(here, led, passing(netlink, transit) if transit else frozenset())


def passing_through(holes: Collection[Hole]) -> frozenset[Address]:
    """Whom these holes let pass through this host."""
    return frozenset(hole.who for hole in holes if hole.lead is not None and hole.lead.through)


def _leads_to(lead: Lead, outside: Connection, inside: Connection) -> bool:
    if lead.everything:
        return lead.host == inside.local
    return inside.local == (lead.host or outside.local) and inside.service.port == lead.port
