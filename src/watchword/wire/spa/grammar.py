"""What messages and NAT fields may say (wire format, 4.6 to 4.8).

In here: text to addresses, services, hosts; the same rules for packets that
come and packets that go. Functions raise ValueError and never quote more than
the item that is wrong.
Not in here: lengths, base64 and error numbers (fields).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from watchword.model.addresses import Address
from watchword.model.services import Proto, Service
from watchword.wire.spa.checks import BadAddressError, parse_port, split_service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ANY_SOURCE: Final = IPv4Address("0.0.0.0")  # noqa: S104  (no socket: "the packet's source")
"""As allow address: whoever the packet came from."""

_PROTOCOLS: Final = {str(proto): proto for proto in Proto}
# Patterns are compiled when they are first used, which most packets never do.
_IPV4_TEXT: Final = r"[0-9.]{7,15}"
_IPV4_PART: Final = r"0[0-7]*|[1-9][0-9]*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = rf"{_LABEL}(?:\.{_LABEL})*\.?"
NO_HOST: Final = "the host is neither a name nor an address"
_MAX_HOST: Final = 70


def parse_allow(text: str) -> Address:
    """Read an allow address.

    IPv4 follows ``inet_aton``: a part with a leading zero is octal. IPv6 is
    our extension: canonical text only, of an address somebody else can have
    (not ``::``, not ``::1``, no multicast, no IPv4 in disguise, no zone).
    """
    if ":" in text:
        return _canonical_ipv6(text)
    try:
        return IPv4Address(text)  # plain decimal numbers, which nearly all packets have
    except ValueError:
        return _old_ipv4(text)


def _old_ipv4(text: str) -> IPv4Address:
    parts = text.split(".")
    if not re.fullmatch(_IPV4_TEXT, text) or len(parts) != 4:
        raise BadAddressError("the allow address is not four numbers with dots")
    return IPv4Address(bytes(_octet(part) for part in parts))


def _octet(text: str) -> int:
    if not re.fullmatch(_IPV4_PART, text):
        raise BadAddressError("a part of the allow address is no number")
    value = int(text, 8 if text.startswith("0") else 10)
    if value > 255:
        raise BadAddressError("a part of the allow address is above 255")
    return value


def _canonical_ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise BadAddressError("the allow address is neither IPv4 nor IPv6") from None
    if "%" in text:
        raise BadAddressError("an allow address has no zone: other machines have other interfaces")
    if str(address) != text:
        raise BadAddressError("the IPv6 allow address is not in canonical form")
    if address.ipv4_mapped is not None:
        raise BadAddressError(f"the allow address is one of IPv4: {address.ipv4_mapped}")
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise BadAddressError("the IPv6 allow address is not one a caller can have")
    return address


@lru_cache(maxsize=256)  # the fields are checked by it, and then read by it
def parse_access(text: str) -> tuple[Address, tuple[Service, ...]]:
    """Read ``ip,proto/port[,proto/port...]``: who is to be let in, and where to.

    Services keep their order and repeats. Raises BadAddressError for the address,
    ValueError for the rest.
    """
    address, *items = text.split(",")
    if not items:
        raise ValueError("no port is asked for")
    return parse_allow(address), tuple(_service(item) for item in items)


def _service(item: str) -> Service:
    name, port = split_service(item)
    return Service(_PROTOCOLS[name], port)


def parse_command(text: str) -> tuple[Address, str]:
    """Read ``ip,command``: the command is at least one character of anything but NUL.

    Raises BadAddressError for the address, ValueError for the rest.
    """
    address, _, command = text.partition(",")
    if not command:
        raise ValueError("no command after the allow address")
    if "\0" in command:
        raise ValueError("a NUL in the command")
    return parse_allow(address), command


def parse_nat(text: str) -> tuple[str, int]:
    """Read ``host,port``. The host is a name, IPv4 or canonical IPv6 text.

    Narrower than libfko, which takes nearly any text for a host, and as
    narrow as its client. Raises ValueError.
    """
    host, comma, port = text.partition(",")
    if not comma:
        raise ValueError("no port after the host")
    if len(host) > _MAX_HOST or not (re.fullmatch(_HOST, host) or _is_ipv6(host)):
        raise ValueError(NO_HOST)
    return host, parse_port(port)


def _is_ipv6(text: str) -> bool:
    try:
        return str(IPv6Address(text)) == text and "%" not in text
    except ValueError:
        return False
