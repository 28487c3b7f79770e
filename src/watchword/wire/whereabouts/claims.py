"""The address in what a resolver says.

In here: reading it as the compatible client does, and which addresses nobody
can be let in by.
Not in here: the messages around it (stun, web_answer), asking (edges.whereabouts).

Whoever answers decides who is let in. So an answer is one address of the family
that was asked for, or an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address
from typing import Final

from watchword.errors import PeerError
from watchword.model.addresses import Address

_RUN: Final = {4: re.compile(rb"[0-9.]{0,16}"), 6: re.compile(rb"[0-9A-Fa-f:.]{0,46}")}
_LONGEST: Final = 45
"""Characters of an address in either family."""
_BROADCAST: Final = IPv4Address("255.255.255.255")


class NoAddressError(PeerError):
    """The answer holds no address that could be used."""

    def __init__(self, message: str, heard: bytes = b"") -> None:
        """``heard``: what was said instead; it comes from a stranger."""
        super().__init__(message)
        self.heard = heard


def leading(text: bytes, version: int) -> Address:
    """The address that a page begins with; what follows it is ignored (client, section 7).

    Args:
        version: 4 or 6, the family that was asked for.

    Raises NoAddressError.
    """
    found = _RUN[version].match(text)
    run = found[0].decode("ascii") if found else ""
    try:
        address = ip_address(run)
    except ValueError:
        raise NoAddressError(f"Invalid IP ({run}) in HTTP response:", text) from None
    return usable(address, version)


def whole(text: bytes, version: int) -> Address:
    """The address that a text is, with nothing before and nothing after it.

    Raises NoAddressError.
    """
    try:
        address = ip_address(text[: _LONGEST + 1].decode("ascii"))
    except ValueError:
        raise NoAddressError("the answer is no address", text) from None
    return usable(address, version)


def only(addresses: Iterable[Address], version: int) -> Address:
    """The one address of an answer, which may be repeated. Raises NoAddressError."""
    different = set(addresses)
    if len(different) != 1:
        said = "several different addresses" if different else "no address"
        raise NoAddressError(f"the answer has {said}")
    return usable(different.pop(), version)


def usable(address: Address, version: int) -> Address:
    """The address itself, if somebody can be let in by it. Raises NoAddressError.

    ``0.0.0.0`` would let in whoever sent the packet, in the name of a stranger.
    """
    odd = address.version == 6 and (
        address.is_loopback or address.ipv4_mapped is not None or address.scope_id is not None
    )
    if odd or address.is_unspecified or address.is_multicast or address == _BROADCAST:
        raise NoAddressError(f"the answer is {address}, which is nobody's address")
    if address.version != version:
        raise NoAddressError(f"the answer is {address}, and an IPv{version} address was asked for")
    return address
