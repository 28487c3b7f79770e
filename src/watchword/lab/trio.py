"""The standard scene: a server and two clients, each behind its own link to a router.

The router stands for the internet: hosts do not see each other on one wire,
so a hidden host does not even answer ARP for a scanner.
"""

from __future__ import annotations

from dataclasses import dataclass

from watchword.lab.hosts import Host, Lab


@dataclass(frozen=True, slots=True)
class Station:
    """A host with its two addresses."""

    host: Host
    four: str
    six: str


@dataclass(frozen=True, slots=True)
class Trio:
    server: Station
    caller: Station
    stranger: Station
    internet: Host


def trio(lab: Lab) -> Trio:
    """Build the scene: server 203.0.113.1, caller 198.51.100.2, stranger 192.0.2.66."""
    internet = lab.host("internet")
    internet.sysctl("net.ipv4.ip_forward", 1)
    internet.sysctl("net.ipv6.conf.all.forwarding", 1)
    plan = {
        "server": ("203.0.113.1", "203.0.113.254", "2001:db8:1::1", "2001:db8:1::fe"),
        "caller": ("198.51.100.2", "198.51.100.254", "2001:db8:2::2", "2001:db8:2::fe"),
        "stranger": ("192.0.2.66", "192.0.2.254", "2001:db8:3::66", "2001:db8:3::fe"),
    }
    stations = {}
    for name, (four, four_gateway, six, six_gateway) in plan.items():
        host = lab.host(name)
        lab.link(
            (host, "eth0", (f"{four}/24", f"{six}/64")),
            (internet, name, (f"{four_gateway}/24", f"{six_gateway}/64")),
        )
        lab.route(host, four_gateway, six_gateway)
        stations[name] = Station(host, four, six)
    return Trio(internet=internet, **stations)
