"""Reads the lists of access.conf: addresses and ports.

In here: SOURCE, DESTINATION, OPEN_PORTS and RESTRICT_PORTS, with the original's
complaints about them.
Not in here: who complains where (access_conf_stanza).

Every function raises ``UnfitError``. Source: access.conf, 4.1 and 4.2. Differences:
IPv6 is read; ``1.2.3`` and masks with holes are refused, as nobody means them;
``tcp/22x`` and ``tcp/x`` are refused instead of read as 22 and 0.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

from watchword.model.addresses import Network
from watchword.model.services import Proto, Service

_ANY_MASK = "write ANY for every address"


class UnfitError(Exception):
    """A list cannot be read: the original's complaint, and what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def networks(text: str) -> tuple[Network, ...]:
    """Read a list of addresses and networks; empty if ``ANY`` is one of them."""
    found = [_network(each.strip()) for each in text.split(",")]
    named = tuple(each for each in found if each is not None)
    return named if len(named) == len(found) else ()


def split_networks(text: str) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
    """Read a list with exclusions (``ANY, !192.0.2.7``): what is in it, and what is not.

    The first is empty if ``ANY`` is one of them, as in ``networks``.
    """
    entries = [each.strip() for each in text.split(",")]
    inside = [each for each in entries if not each.startswith("!")]
    outside = [each.removeprefix("!").strip() for each in entries if each.startswith("!")]
    if not inside:
        raise UnfitError(
            f"[*] Fatal error parsing IP to int for: {text}",
            "write what the exclusions are taken out of, such as ANY, !192.0.2.7",
        )
    barred = tuple(each for each in map(_network, outside) if each is not None)
    if len(barred) < len(outside):
        raise UnfitError("[*] Fatal error parsing IP to int for: !ANY", "nobody could come in")
    return networks(",".join(inside)), barred


def services(text: str) -> frozenset[Service]:
    """Read a list of ``proto/port``. Port 0 fits nothing and is left out."""
    return frozenset(service_list(text))


def service_list(text: str) -> tuple[Service, ...]:
    """The same, in the order in which they stand."""
    found = (_service(each.strip()) for each in text.split(","))
    return tuple(each for each in found if each is not None)


def _network(text: str) -> Network | None:
    if text.upper() == "ANY":
        return None
    host, slash, mask = text.partition("/")
    hint = "write addresses and networks such as 192.0.2.7 or 2001:db8::/32, or ANY"
    if text.startswith("!"):
        hint = "exclusions are for SOURCE: name the networks that are meant"
    elif host.replace(".", "").isdecimal() and 0 < host.count(".") < 3:
        hint = f"{host} is not a whole address: write all four numbers"
    try:
        address = ip_address(host)
    except ValueError:
        raise UnfitError(f"[*] Fatal error parsing IP to int for: {text}", hint) from None
    if "%" in host:
        raise UnfitError(f"[*] Fatal error parsing IP to int for: {text}", "leave the zone out")
    if slash and not mask:
        raise UnfitError("[*] Missing mask value.", "write a number of bits after the /")
    if isinstance(address, IPv4Address):
        return IPv4Network((address, _bits4(mask) if slash else 32), strict=False)
    if address.ipv4_mapped is not None:
        raise UnfitError(
            f"[*] Fatal error parsing IP to int for: {text}",
            f"packets from there count as IPv4: write {address.ipv4_mapped}",
        )
    return IPv6Network((address, _bits(mask, 128) if slash else 128), strict=False)


def _bits4(mask: str) -> int:
    if "." not in mask:
        return _bits(mask, 32)
    try:
        inverse = int(IPv4Address(mask)) ^ 0xFFFFFFFF
    except ValueError:
        raise UnfitError(
            f"[*] Invalid IP mask str '{mask}'.", "write a mask like 255.255.255.0"
        ) from None
    if inverse & (inverse + 1):
        raise UnfitError(f"[*] Invalid IP mask str '{mask}'.", "write a mask without holes")
    return _bits(str(32 - inverse.bit_length()), 32)


def _bits(mask: str, most: int) -> int:
    bits = int(mask) if mask.isascii() and mask.isdecimal() and len(mask) <= 3 else -1
    if 1 <= bits <= most:
        return bits
    hint = _ANY_MASK if bits == 0 else f"write a number from 1 to {most} after the /"
    raise UnfitError(f"[*] Invalid IP mask str '{mask}'.", hint)


def _service(text: str) -> Service | None:
    proto, slash, port = text.partition("/")
    if not slash:
        raise UnfitError(
            f"[*] Parse error on access port entry: {text}", "write entries like tcp/22"
        )
    if proto.lower() not in ("tcp", "udp"):
        raise UnfitError(f"[*] Invalid protocol in access port entry: {text}", "write tcp or udp")
    digits = port.isascii() and port.isdecimal() and len(port) <= 5
    if not digits or int(port) > 65535:
        raise UnfitError(
            f"[*] Invalid port '{text}' in access request, must be in [0,65535]",
            f"write {proto.lower()}/ and a number from 1 to 65535",
        )
    return Service(Proto(proto.lower()), int(port)) if int(port) else None
