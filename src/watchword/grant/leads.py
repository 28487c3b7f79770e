"""Says where a grant leads: to what was asked for, to what the stanza has instead, or nowhere.

In here: whether callers may be led on at all, to which host and port, and as whom.
Not in here: the rules that hold for every request (decide), asking for the
addresses of a name (service.daemon.names).

Who has a key is not trusted with every machine behind this one: another host has to be among
the stanza's targets, and a service of this one among those too, or, if none are named, among
what the stanza lets callers ask for directly. Names are compared by their addresses, and the
address that was compared is the one that is opened. Source: fwknopd server, 8 and 9.1;
access.conf, 4.2 and 4.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from watchword.model.addresses import Address, canonical
from watchword.model.openings import Lead
from watchword.model.policy import NatTerms, Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, ForwardWish
from watchword.model.services import Service


class No(NamedTuple):
    """Why it is not led on."""

    reason: Reason
    detail: str = ""


def enabled(policy: Policy, terms: Terms, wish: ForwardWish) -> bool:
    """Whether the server, and this stanza, let callers ask for this kind of leading on."""
    if wish.local and terms.sharing.secret_ports is not None:
        return True
    return terms.nat.enabled and (policy.local_nat if wish.local else policy.forwarding)


def lead(
    policy: Policy,
    terms: Terms,
    wish: AccessWish | ForwardWish,
    who: Address,
    named: Sequence[Address] | None,
) -> Lead | str | No | None:
    """Where a grant leads; None: to the services themselves.

    A text: the name of a host whose addresses have to be known first; ``named`` are those, and
    None if nobody asked yet. ``wish`` is of a kind that is enabled.
    """
    nat = terms.nat
    if nat.forced:
        return _forced(nat, who)
    if isinstance(wish, AccessWish):
        return None
    if nat.through:
        return Lead(None, 0, everything=True, source=nat.seen_as(who.version))
    if wish.local:
        return _here(terms, wish)
    address = _address(wish.host)
    if address is None:
        return _by_name(policy, terms, wish, who, named)
    return _elsewhere(terms, wish.port, (address,), who)


def _by_name(
    policy: Policy,
    terms: Terms,
    wish: ForwardWish,
    who: Address,
    named: Sequence[Address] | None,
) -> Lead | str | No:
    """Nobody is asked about a name that no answer could make allowed."""
    if not policy.nat_names:
        return No(Reason.NAT_NAMES_NOT_ENABLED, wish.host)
    if not any(target.network and target.port in (None, wish.port) for target in terms.nat.targets):
        return _not_allowed(f"{wish.host},{wish.port}")
    if named is None:
        return wish.host
    if not named:
        return No(Reason.NAT_NAME_NOT_RESOLVED, wish.host)
    return _elsewhere(terms, wish.port, named, who)


def _here(terms: Terms, wish: ForwardWish) -> Lead | No:
    """By another port to a service of this host, whatever name or address it is called by."""
    inside = Service(wish.services[0].proto, wish.port)
    return Lead(None, wish.port) if _is_inside(terms, inside) else _not_allowed(str(inside))


def _is_inside(terms: Terms, service: Service) -> bool:
    """Whether a service of this host may be reached by another port than its own."""
    if terms.nat.local_targets:
        allowed = any(target.admits(None, service.port) for target in terms.nat.targets)
        return allowed and service not in terms.closed_services
    return terms.offers(service)


def may_lead_to(policy: Policy, terms: Terms, service: Service) -> bool:
    """Whether there is a request that leads to this service of this host."""
    if terms.nat.forced:
        return any(each == Lead(None, service.port) for each in terms.nat.forced)
    may_ask = terms.nat.enabled and policy.local_nat
    return (may_ask or terms.sharing.secret_ports is not None) and _is_inside(terms, service)


def _elsewhere(terms: Terms, port: int, addresses: Iterable[Address], who: Address) -> Lead | No:
    """To the first of some addresses that is allowed and of the caller's family."""
    fitting = [each for each in addresses if _fits(each, who)]
    for address in fitting:
        if _is_host(address) and any(each.admits(address, port) for each in terms.nat.targets):
            return Lead(address, port, source=terms.nat.seen_as(who.version))
    if not fitting:
        return _not_allowed(f"an address that is not IPv{who.version}")
    return _not_allowed(f"{fitting[0]},{port}")


def _is_host(address: Address) -> bool:
    """Whether packets can be led on to it: to loopback they cannot."""
    return not (address.is_unspecified or address.is_multicast or address.is_loopback)


def _fits(host: Address | None, who: Address) -> bool:
    return host is None or host.version == who.version


def _forced(nat: NatTerms, who: Address) -> Lead | No:
    for each in nat.forced:
        if _fits(each.host, who):
            return each._replace(source=nat.seen_as(who.version))
    return _not_allowed(f"{nat.forced[0].host} for {who}")


def _not_allowed(detail: str) -> No:
    return No(Reason.NAT_TARGET_NOT_ALLOWED, detail)


def _address(host: str) -> Address | None:
    try:
        return canonical(host)
    except ValueError:
        return None
