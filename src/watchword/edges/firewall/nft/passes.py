"""Lets live connections go on, and cuts those that slipped in, one by one.

In here: what stands in the sets ``adopted`` and ``cut`` of the guard, and
keeping them no longer than the connections live. Not in here: the judgement
(known), the rules that use the sets (guard).

Adopting is for connections that connection tracking does not know: it starts
with our rules, and then the next packet of an idle session looks new to it, or
invalid where ``nf_conntrack_tcp_loose`` is 0. What slipped in is not taken out
of connection tracking but kept from us by name: the first packet that the
service sends would be tracked again, and count as established.

Nothing can be adopted that has no socket of its own. A UDP service on one
unconnected socket is such: its callers have to be granted anew.
"""

from __future__ import annotations

from collections.abc import Collection, Container

from watchword.edges.firewall.nft.arrivals import arrivals, passing_through
from watchword.edges.firewall.nft.commit import Sheet, commit, standing
from watchword.edges.firewall.nft.connections import Connection, read_sockets
from watchword.edges.firewall.nft.conntrack import forget, tracked
from watchword.edges.firewall.nft.elements import Place, bare_element
from watchword.edges.firewall.nft.guard import ADOPTED, CUT
from watchword.edges.firewall.nft.known import Known
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Hole


class Passes:
    """The guard's exceptions, one connection each."""

    def __init__(self, settings: FirewallSettings, home: Home) -> None:
        self.known = Known(settings)
        self.adopted: frozenset[Connection] = frozenset()
        self.cut: frozenset[Connection] = frozenset()
        self._home = home

    def read_back(self, netlink: Netlink) -> None:
        """Take over what an earlier run of ours left in the sets."""
        self.adopted, self.cut = self._standing(netlink, ADOPTED), self._standing(netlink, CUT)

    def adopt_all(self) -> int:
        """Everything that lives now may go on: the guard was never there before.

        Returns how many connections that added.
        """
        before = len(self.adopted)
        self.adopted |= self.known.guarded(read_sockets().connections) - self.cut
        return len(self.adopted) - before

    def judge(self, netlink: Netlink, holes: Container[Hole]) -> None:
        """The guard had gone: sort what lives now into what may go on and what slipped in.

        What has been cut stays cut.
        """
        found = arrivals(netlink)
        mine, slipped = self.known.judge(found.sockets, frozenset(found.led), holes)
        self.adopted |= mine - self.cut
        self.cut |= slipped - self.adopted

    def tend(self, netlink: Netlink) -> None:
        """Make the sets what they should be, without connections that are over."""
        if self.adopted or self.cut:  # most hosts have none, and a look walks over every socket
            live = _live(netlink)
            self.adopted &= live
            self.cut &= live | tracked(netlink, self.cut - live)
        sheets = [
            *self._sheets(netlink, ADOPTED, self.adopted),
            *self._sheets(netlink, CUT, self.cut),
        ]
        commit(netlink, sheets)

    def cut_off(self, netlink: Netlink, holes: Collection[Hole], spared: Collection[Hole]) -> int:
        """Cut who came in through these holes, and may not by others that are ``spared``.

        Returns how many connections that were.
        """
        found = arrivals(netlink, passing_through(holes))
        came = found.through(holes) - found.through(spared) - self.cut
        self.cut |= came
        self.adopted -= came
        self.tend(netlink)
        return len(came | forget(netlink, holes, spared))

    def list_live(self, netlink: Netlink) -> frozenset[Connection]:
        """Everybody who is connected now and was not cut."""
        return _live(netlink) - self.cut

    def _sheets(self, netlink: Netlink, name: str, wanted: frozenset[Connection]) -> list[Sheet]:
        there = self._standing(netlink, name)
        sheets = {version: Sheet(self._place(name, version)) for version in (4, 6)}
        for each in there - wanted:
            sheets[each.remote.version].delete.add(each.key)
        for each in wanted - there:
            sheets[each.remote.version].add[each.key] = bare_element(each.key)
        return list(sheets.values())

    def _standing(self, netlink: Netlink, name: str) -> frozenset[Connection]:
        keys: list[bytes] = []
        for version in (4, 6):
            keys += standing(netlink, self._place(name, version)) or ()
        found = map(Connection.of_key, keys)
        return frozenset(each for each in found if each is not None)

    def _place(self, name: str, version: int) -> Place:
        return Place(self._home.number, self._home.table, f"{name}{version}")


def _live(netlink: Netlink) -> frozenset[Connection]:
    return arrivals(netlink).here
