"""A payload as it was captured, with where it came from."""

from __future__ import annotations

from typing import NamedTuple

from watchword.model.addresses import Address, canonical
from watchword.model.hits import KnockKind


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
    interface: str = ""
    """Where it was seen; empty where the capture does not tell."""
    forwarded: str = ""
    """Whom a trusted proxy says that it speaks for, up to 64 printable characters; else empty."""
    connected: bool = False
    """Whether the sender answers at ``peer``: it opened a TCP connection to us from there. False
    for datagrams and for whatever was sniffed, whose source anybody can write."""
    knock: KnockKind | None = None
    """What it is the last hit of, in place of a packet with a payload; None: nothing."""

    @property
    def source(self) -> Address:
        return canonical(self.peer)

    @property
    def asker(self) -> Address:
        """Who gets what is asked for "the address this packet comes from": behind a trusted
        proxy the one that it names, if that is an address."""
        return self.proxied_for or self.source

    @property
    def proxied_for(self) -> Address | None:
        """The address that a trusted proxy names; None: there is no proxy, or no one address."""
        try:
            address = canonical(self.forwarded) if self.forwarded else None
        except ValueError:
            return None
        if address is None or address.is_unspecified or str(address) != self.forwarded:
            return None
        return address

    @property
    def destination(self) -> Address | None:
        return canonical(self.local) if self.local else None
