"""A building: three people behind one address, and a server somewhere else.

Alice and Bob work here, and Mallory is a stranger who came in to use the wireless network. The
office translates whatever they send, over both families, so that a server sees one address. What
is sent from elsewhere comes from an address of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from watchword.lab.hosts import Host, Lab, use
from watchword.lab.trio import Station

_PEOPLE = {"alice": 11, "bob": 12, "mallory": 66}
_TRANSLATION = """
add table inet office
flush table inet office
add chain inet office out {{ type nat hook postrouting priority 100; policy accept; }}
add rule inet office out oifname "eth0" masquerade{how}
"""


@dataclass(frozen=True, slots=True)
class Building:
    server: Station
    alice: Station
    bob: Station
    mallory: Station
    """With the address that each has inside."""
    office: Station
    """Who translates, with the addresses that a server sees in place of theirs."""
    elsewhere: Station
    """A host that is not in the building."""
    internet: Host

    @property
    def people(self) -> tuple[Station, Station, Station]:
        return self.alice, self.bob, self.mallory

    def rewrite_ports(self, rewrites: bool) -> None:
        """Whether the office gives each new connection another source port, as carriers do.

        Otherwise it keeps the port unless two want the same. Holds for connections from now on.
        """
        how = " fully-random" if rewrites else ""
        self.office.host.run("nft", "-f", "-", input=_TRANSLATION.format(how=how))


def building(lab: Lab) -> Building:
    """Server 203.0.113.1, the office 198.51.100.2 with 192.168.1.0/24 behind it, and elsewhere
    192.0.2.66; IPv6 alike, translated as well."""
    internet, office = _router(lab, "internet"), _router(lab, "office")
    server, front, elsewhere = (
        _outside(lab, internet, name, host, number)
        for name, host, number in (
            ("server", None, 1),
            ("office", office, 2),
            ("elsewhere", None, 3),
        )
    )
    office.ip("link add inside type bridge", *use("inside", "192.168.1.1/24", "fd00:1::1/64"))
    people = {name: _person(lab, office, name, last) for name, last in _PEOPLE.items()}
    scene = Building(server, **people, office=front, elsewhere=elsewhere, internet=internet)
    scene.rewrite_ports(False)
    for each in (*scene.people, elsewhere):  # IPv6 takes a second to find its way
        each.host.run("ping", "-c1", "-W30", "-i0.2", server.six)
    return scene


def _router(lab: Lab, name: str) -> Host:
    host = lab.host(name)
    host.sysctl("net.ipv4.ip_forward", 1)
    host.sysctl("net.ipv6.conf.all.forwarding", 1)
    return host


_NETWORKS = {1: ("203.0.113", 1), 2: ("198.51.100", 2), 3: ("192.0.2", 66)}
"""Where each is, outside, and its number there; the network of IPv6 has the same number."""


def _outside(lab: Lab, internet: Host, name: str, host: Host | None, number: int) -> Station:
    """A host on a link of its own to the internet."""
    network, last = _NETWORKS[number]
    four, six = f"{network}.{last}", f"2001:db8:{number}::{last}"
    gateways = f"{network}.254", f"2001:db8:{number}::fe"
    station = Station(host or lab.host(name), four, six)
    lab.link(
        (station.host, "eth0", (f"{four}/24", f"{six}/64")),
        (internet, name, (f"{gateways[0]}/24", f"{gateways[1]}/64")),
    )
    lab.route(station.host, *gateways)
    return station


def _person(lab: Lab, office: Host, name: str, last: int) -> Station:
    four, six = f"192.168.1.{last}", f"fd00:1::{last}"
    host = lab.host(name)
    lab.link((host, "eth0", (f"{four}/24", f"{six}/64")), (office, f"to-{name}", ()))
    office.ip(f"link set to-{name} master inside")
    lab.route(host, "192.168.1.1", "fd00:1::1")
    return Station(host, four, six)
