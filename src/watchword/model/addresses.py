"""Addresses and networks, both families alike."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@lru_cache(maxsize=4096)
def canonical(text: str) -> Address:
    """Read an address as a socket prints it: no zone, IPv4 mapped into IPv6 taken out.

    Raises ValueError if the text is no address. The cache is bounded, so that
    strangers cannot grow it.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
