"""Whom the kernel let in by itself: the elements that its doors put into sets.

In here: reading them, and taking away what a ledger knows by now. Not in here: the sets and the
rules that fill them (doors), openings of ledgers (openings).
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address

from watchword.edges.firewall.nft import doors, one_door
from watchword.edges.firewall.nft.commit import Sheets, commit, standing
from watchword.edges.firewall.nft.elements import Place
from watchword.edges.firewall.nft.layout import Home
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.model.doors import KernelOpening
from watchword.model.firewalls import FirewallSettings


class KnockedSets:
    """One set for each door and IP version."""

    def __init__(self, home: Home, settings: FirewallSettings) -> None:
        name = doors.digest(settings)
        self._names = {each.number: each.name for each in settings.doors}
        self._places = {
            (door.number, version): Place(
                home.number, home.table, one_door.opened(name, door, version)
            )
            for door in settings.doors
            for version in settings.door_versions
        }

    def read(self, netlink: Netlink) -> list[KernelOpening]:
        """Whoever is in them now. Raises HostError."""
        return [
            KernelOpening(number, self._names[number], ip_address(live.key), live.remaining or 0.0)
            for (number, _), place in self._places.items()
            for live in (standing(netlink, place) or {}).values()
        ]

    def settle(self, netlink: Netlink, taken: Collection[KernelOpening]) -> None:
        """Take these out. Raises HostError."""
        sheets = Sheets()
        for each in taken:
            place = self._places.get((each.door, each.who.version))
            if place is not None:
                sheets[place].delete.add(each.who.packed)
        commit(netlink, sheets.values())
