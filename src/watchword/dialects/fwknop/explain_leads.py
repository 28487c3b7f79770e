"""Where callers may be led on to, in sentences.

In here: the words for ``watchword check``, for a whole policy and for one stanza, and for one
grant. Not in here: what is allowed (grant.leads), other sentences (explain_words).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.model.firewalls import FirewallSettings, JumpFrom
from watchword.model.openings import Lead
from watchword.model.policy import NatTerms, Policy, Target, Terms
from watchword.model.requests import ForwardWish


def attached(firewall: FirewallSettings) -> Iterator[str]:
    """Chains of the operator's that let through who is led on, and answers."""
    if firewall.forward_from:
        yield f"who is led on to another host is let through by {_chains(firewall.forward_from)}"
    if firewall.output_from:
        yield f"answers to granted packets are let out by {_chains(firewall.output_from)}"


def _chains(chains: tuple[JumpFrom, ...]) -> str:
    return ", ".join(f"{each.family} {each.table} {each.chain}" for each in chains)


def leading(terms: Terms, policy: Policy) -> Iterator[str]:
    """What a stanza says of leading on."""
    nat = terms.nat
    if terms.cycle is not None or not terms.access:
        return
    if nat.forced:
        yield f"whatever is granted leads to {' or '.join(map(str, nat.forced))}{_seen(nat)}"
    elif nat.through:
        yield f"who asks to be led on is let through with everything{_seen(nat)}"
    elif nat.enabled and policy.local_nat:
        here = [each for each in nat.targets if each.network is None]
        what = ", ".join(map(_target, here)) or "what may be opened directly"
        yield f"by another port of this host it may be led on to {what}"
    if nat.forced or nat.through or not (nat.enabled and policy.forwarding):
        return
    there = [each for each in nat.targets if each.network is not None]
    if there:
        yield f"it may be led on to {', '.join(map(_target, there))}{_seen(nat)}"
    else:
        yield "it may be led on to no other host"


def _target(target: Target) -> str:
    if target.network is None:
        return "any port" if target.port is None else f"port {target.port}"
    single = target.network.prefixlen == target.network.max_prefixlen
    where = str(target.network.network_address if single else target.network)
    return where if target.port is None else f"{where} port {target.port}"


def _seen(nat: NatTerms) -> str:
    if not nat.sources:
        return ""
    named = [str(each.address) if each.address else "this host's interface" for each in nat.sources]
    return f", which sees {' or '.join(named)} in place of the caller"


def lead(found: Lead | None) -> str:
    """Behind the services of a grant."""
    return "" if found is None else f" led on to {found}"


def wish(asked: ForwardWish) -> str:
    """Behind the services that are asked for."""
    where = "this host" if asked.local else asked.host
    return f" led on to {where} port {asked.port}"
