"""Which openings somebody is connected through, as the kernel has it.

In here: TCP by the host's own sockets, and by connection tracking where a service is led on;
UDP by connection tracking. One in memory.
Not in here: reading sockets (nft.connections) and tracked connections (nft.conntrack), what
follows from it (service.daemon.staying).

A connection is that of an opening if it comes from whom the opening lets in, to what it lets
in to; connection tracking knows no more. UDP counts as connected while both sides have been
heard of lately: two to three minutes, as the kernel is set.
"""

from __future__ import annotations

from collections.abc import Collection

from watchword.edges.firewall.nft.connections import (
    Connection,
    prefixes_of,
    read_sockets,
)
from watchword.edges.firewall.nft.conntrack import conversing, redirected
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.model.openings import Hole
from watchword.ports import ConnectionTable


class KernelConnections:
    """Asks this host's kernel, in the network namespace of the calling thread.

    Needs CAP_NET_ADMIN for what connection tracking knows.
    """

    def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
        """As the port says. Opens a socket for each call, and may be called from any thread."""
        if not holes:
            return frozenset()
        netlink = Netlink()
        try:
            found = read_sockets().connections | redirected(netlink).keys()
            found |= conversing(netlink, {(each.who.version, each.service) for each in holes})
        finally:
            netlink.close()
        return frozenset(_let_in(found, holes))


def _let_in(found: Collection[Connection], holes: Collection[Hole]) -> Collection[Hole]:
    """The holes through which one of these came, wherever they lead."""
    doors: dict[Hole, list[Hole]] = {}
    for hole in holes:
        doors.setdefault(hole.door, []).append(hole)
    prefixes = prefixes_of(holes)
    used: list[Hole] = []
    for each in found:
        everything = Hole(each.remote, None, each.local)
        for door in (*each.ways(prefixes), everything):
            used += doors.get(door, ())
    return used


class MemoryConnections:
    """Says what it was told."""

    def __init__(self) -> None:
        self.live: set[Hole] = set()

    def through(self, holes: Collection[Hole]) -> frozenset[Hole]:
        return frozenset(holes) & self.live


_: tuple[type[ConnectionTable], ...] = (KernelConnections, MemoryConnections)
