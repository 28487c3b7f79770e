"""The addresses that this host has.

In here: asking the kernel for them. Not in here: the one that others see it by (edges.own_address).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from watchword.edges.firewall.nft.attributes import AF_UNSPEC, NLM_F_DUMP, Request, fields
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.model.addresses import Address

_ROUTE: Final = 0  # NETLINK_ROUTE
_GET: Final = 22  # RTM_GETADDR
_REST_OF_HEAD: Final = 4  # of struct ifaddrmsg, whose first four bytes are as those of netfilter
_ADDRESS, _LOCAL = 1, 2


def own_addresses() -> frozenset[Address]:
    """On every interface, in the network namespace of the calling thread. Raises HostError."""
    netlink = Netlink(_ROUTE)
    try:
        messages = netlink.dump(Request(_GET, AF_UNSPEC, bytes(_REST_OF_HEAD), NLM_F_DUMP))
    finally:
        netlink.close()
    found: set[Address] = set()
    for message in messages:
        parts = fields(message.attributes[_REST_OF_HEAD:])
        packed = parts.get(_LOCAL) or parts.get(_ADDRESS, b"")
        if len(packed) in (4, 16):
            found.add(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))
    return frozenset(found)
