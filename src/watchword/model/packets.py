"""A payload as it was captured, with where it came from."""

from __future__ import annotations

from typing import NamedTuple

from watchword.model.addresses import Address, canonical


class Packet(NamedTuple):
    """One captured payload.

    Made for everything that looks like a packet at all, garbage included, so
    it is a bare tuple and the addresses stay text until somebody asks.
    """

    payload: bytes
    peer: str
    """Address of the sender, as the capture prints it."""
    peer_port: int
    local: str
    """Address it was sent to; empty where the capture cannot tell."""
    local_port: int
    protocol: int = 17
    """Protocol number of the carrier: 17 UDP, 6 TCP, 1 ICMP, 58 ICMPv6."""

    @property
    def source(self) -> Address:
        return canonical(self.peer)

    @property
    def destination(self) -> Address | None:
        return canonical(self.local) if self.local else None
