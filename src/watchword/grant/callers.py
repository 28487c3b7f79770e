"""Says for whom a grant is: for one address, a part of it, the network around it, or several.

In here: what a stanza allows of what a packet asks for.
Not in here: how it is asked for (asking), every other rule (decide), what the firewall makes of it
(edges.firewall).

Who has a key is not trusted with other people's addresses: how wide a prefix is, how many
addresses one packet names, and which, is for the stanza to say. Whoever asks for more gets
nothing, and not a part of it: he would not know which.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network
from typing import Final, NamedTuple

from watchword.model.addresses import Address
from watchword.model.callers import Binding, CallerTerms
from watchword.model.openings import Caller, Extent
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, Particulars, Request

_EVERYBODY: Final = IPv4Address("255.255.255.255")
_SHOWN: Final = 40  # characters of what a caller calls himself


class No(NamedTuple):
    """Why nobody is let in."""

    reason: Reason
    detail: str = ""


def who(request: Request) -> Address:
    """The address that the packet means first."""
    return request.packet.asker if request.allow is None else request.allow


def is_host(address: Address) -> bool:
    """Whether it can be the address of one caller."""
    return not (address.is_multicast or address.is_unspecified or address == _EVERYBODY)


def callers(policy: Policy, terms: Terms, request: Request) -> tuple[Caller, ...] | No:
    """Everybody whom the grant lets in, each once; or why nobody."""
    wish, allowed = request.wish, terms.callers
    said = wish.particulars if isinstance(wish, AccessWish) else Particulars()
    no = _binding(allowed, said, request) or _addresses(policy, allowed, said, request)
    if no is not None:
        return no
    first = who(request)
    if said.bits:
        if (first.version, said.bits) not in allowed.prefixes:
            return _no(Reason.PREFIX_NOT_OFFERED, request, f"{first}/{said.bits}")
        if touches_blacklist(policy, first, said.bits):
            return No(Reason.BLACKLISTED, f"{first}/{said.bits}")
    return tuple(dict.fromkeys(_parts(policy, allowed, said, request)))


def in_part(found: tuple[Caller, ...]) -> bool:
    """Whether it is anything but one whole address."""
    return len(found) > 1 or found[0].extent is not None


def not_led_on(request: Request, found: tuple[Caller, ...]) -> No:
    """Who is led on is led on from one whole address."""
    return _no(Reason.NOT_LED_ON_IN_PART, request, ", ".join(map(str, found)))


def touches_blacklist(policy: Policy, address: Address, bits: int) -> bool:
    """Whether a prefix has anybody in it for whom nothing is opened."""
    whole = ip_network((address, bits), strict=False)
    return any(each.version == whole.version and each.overlaps(whole) for each in policy.blacklist)


def covers(policy: Policy, terms: Terms, caller: Caller) -> str:
    """What speaks against letting somebody in, going by the policy alone; empty: nothing does."""
    allowed, extent = terms.callers, caller.extent
    if extent is None:
        required = allowed.binding is Binding.REQUIRED
        return "its stanza lets in no whole address" if required else ""
    if extent.port:
        never = allowed.binding is Binding.NEVER
        return "its stanza binds to no port of the caller's" if never else ""
    if (caller.who.version, extent.bits) not in allowed.prefixes:
        return f"its stanza lets in no network of {extent.bits} bits"
    if touches_blacklist(policy, caller.who, extent.bits):
        return "somebody in that network is blacklisted"
    return "" if extent.first is allowed.first else "its stanza lets in another part of a network"


def may_be_named(policy: Policy, terms: Terms, caller: Caller, source: Address) -> str:
    """What speaks against letting somebody in by a packet from there; empty: nothing does."""
    only = terms.callers.only
    if only is None or any(source in network for network in policy.proxies):
        return ""
    bits = caller.extent.bits if caller.extent is not None else 0
    whole = ip_network((caller.who, bits or caller.who.max_prefixlen))
    if source in whole or any(
        each.version == whole.version and each.overlaps(whole) for each in only
    ):
        return ""
    return f"its stanza lets nobody name {caller}"


def _binding(allowed: CallerTerms, said: Particulars, request: Request) -> No | None:
    if said.port and allowed.binding is Binding.NEVER:
        return _no(Reason.SOURCE_PORT_NOT_OFFERED, request, str(said.port))
    if not said.port and allowed.binding is Binding.REQUIRED:
        return _no(Reason.SOURCE_PORT_REQUIRED, request)
    return None


def _addresses(
    policy: Policy, allowed: CallerTerms, said: Particulars, request: Request
) -> No | None:
    if len(said.also) > allowed.more:
        count = f"{len(said.also)} where {allowed.more} may be named"
        return _no(Reason.TOO_MANY_ADDRESSES, request, count)
    for address in said.also:
        if not is_host(address):
            return _no(Reason.ADDRESS_NOT_HOST, request, str(address))
        if any(address in network for network in policy.blacklist):
            return No(Reason.BLACKLISTED, str(address))
    for address in (who(request), *said.also):
        if address != request.packet.asker and not allowed.may_name(address):
            return _no(Reason.ADDRESS_NOT_YOURS, request, str(address))
    return None


def _parts(
    policy: Policy, allowed: CallerTerms, said: Particulars, request: Request
) -> Iterator[Caller]:
    first = who(request)
    for address in (first, *said.also, *_source(allowed, request)):
        if said.port:
            yield Caller(address, Extent(port=said.port))
        elif said.bits and address.version == first.version:
            yield _network(address, said.bits, first=allowed.first)
        elif bits := _widened(policy, allowed, address):
            yield _network(address, bits, first=allowed.first)
        else:
            yield Caller(address)


def _widened(policy: Policy, allowed: CallerTerms, address: Address) -> int:
    """The length of the prefix that is let in though nobody asked for one; 0: none is."""
    bits = allowed.longest(address.version) if allowed.widen else 0
    return 0 if bits and touches_blacklist(policy, address, bits) else bits


def _source(allowed: CallerTerms, request: Request) -> Iterator[Address]:
    """Where the packet came from, if that is let in as well."""
    if allowed.and_source and isinstance(request.wish, AccessWish):
        yield request.packet.asker


def _network(address: Address, bits: int, *, first: bool) -> Caller:
    network = ip_network((address, bits), strict=False)
    return Caller(network.network_address, Extent(bits=bits, first=first))


def _no(reason: Reason, request: Request, detail: str = "") -> No:
    """With the name of who asked: a key can be many people's."""
    user = request.user[:_SHOWN]
    return No(reason, f"{user}: {detail}" if detail else user)
