"""What zones of firewalld let everybody reach, for the doctor.

In here: ports, services and targets of zones, put together. Not in here: what that means
(service.doctor), asking (bus, command). No I/O of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from watchword.edges.firewall.firewalld.talk import Firewalld
from watchword.model.services import Proto, Service

_PORT: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp)")


class Offer(NamedTuple):
    """Some ports of a zone that are open to everybody."""

    zone: str
    proto: Proto
    first: int
    last: int
    by: str
    """What the operator would have to take away: ``service=ssh``; empty: the zone's target."""

    def has(self, service: Service) -> bool:
        return self.proto is service.proto and self.first <= service.port <= self.last


def offers(firewalld: Firewalld, zone: str) -> Iterator[Offer]:
    """Everything that a zone lets everybody reach. Raises HostError."""
    made = firewalld.zone(zone)
    if made.target == "ACCEPT":
        for proto in Proto:
            yield Offer(zone, proto, 1, 65535, "")
    for port in made.ports:
        yield from _offer(zone, port, f"port={port}")
    for name in made.services:
        for port in firewalld.service_ports(name):
            yield from _offer(zone, port, f"service={name}")


def _offer(zone: str, port: str, by: str) -> Iterator[Offer]:
    """``port`` as firewalld writes it; other protocols than ours are passed over."""
    if match := _PORT.fullmatch(port):
        yield Offer(zone, Proto(match[3]), int(match[1]), int(match[2] or match[1]), by)
