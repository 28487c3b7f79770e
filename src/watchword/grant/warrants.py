"""Says whether something may be opened, going by the policy alone.

In here: the rules of a stanza that can be held against an opening, whoever asks for it: for the
process that may change the firewall and has seen no packet.
Not in here: what only the packet shows - who sealed it, its age, its user (decide).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Final

from watchword.grant import callers, leads, secret
from watchword.grant.cycles import Values
from watchword.model.addresses import Address
from watchword.model.doors import OpenServices
from watchword.model.moments import Moment
from watchword.model.openings import Caller, Hole, Lead
from watchword.model.orders import Wanted
from watchword.model.policy import Policy, Terms
from watchword.model.requests import AccessWish, ForwardWish

STAY: Final = 10.0
"""Seconds more that may remain where a grant stays for as long as somebody is connected: its end
is moved a moment before it comes."""
SLACK: Final = 0.5  # seconds between two looks at the same clock, and rounding
LATE: Final = 300.0
"""Seconds that a packet may wait until its command is asked for, behind those before it."""
_LAST_TIME: Final = 10**10
"""Unix seconds: packets have ten digits for them."""
_EVERYBODY: Final = IPv4Address("255.255.255.255")


def against(policy: Policy, wanted: Wanted, now: Moment) -> str:
    """What speaks against an opening; empty: nothing does."""
    if wanted.door:
        return _against_door(policy, wanted, now)
    terms = _terms(policy, wanted.stanza)
    if terms is None:
        return f"there is no stanza #{wanted.stanza}"
    who = wanted.opening.hole.who
    if terms.cycle is not None:
        return "its stanza opens by commands"
    remaining = wanted.opening.until - now.steady
    door = terms.sharing.door_seconds
    if door is not None and remaining > door + SLACK:
        return f"{remaining:.0f} seconds are more than the {door} of its stanza's door"
    stay = STAY if terms.keep_seconds is not None else 0.0
    if remaining > terms.max_seconds + stay + SLACK:
        return f"{remaining:.0f} seconds are more than the {terms.max_seconds} of its stanza"
    hole = wanted.opening.hole
    return (
        _of_the_hole(policy, terms, hole)
        or callers.may_be_named(policy, terms, Caller(who, hole.extent), wanted.source)
        or _of_the_stanza(policy, terms, who, wanted.source, now)
        or _of_the_family(policy, who)
    )


def _against_door(policy: Policy, wanted: Wanted, now: Moment) -> str:
    """The same for whoever knocked. Several doors may have one name."""
    hole, remaining = wanted.opening.hole, wanted.opening.until - now.steady
    actions = [each.action for each in policy.doors if each.name == wanted.door]
    fitting = [
        each.seconds
        for each in actions
        if isinstance(each, OpenServices) and hole.service in each.services
    ]
    plain = Hole(hole.who, hole.service, hole.destination)
    if policy.door_answers and hole.answers:
        plain = plain._replace(answers=True)
    if not fitting or hole != plain:
        return "no such door opens that"
    if remaining > max(fitting) + SLACK:
        return f"{remaining:.0f} seconds are more than the {max(fitting)} of its door"
    if hole.who != wanted.source:
        return f"{wanted.source} knocked for {hole.who}"
    if (hole.destination is not None) != policy.destination_rule:
        return "doors are limited to one destination where all are, and nowhere else"
    return against_caller(policy, hole.who) or _of_the_family(policy, hole.who)


def against_caller(policy: Policy, who: Address) -> str:
    """What speaks against opening a door for an address; empty: nothing does."""
    if any(who in network for network in policy.blacklist):
        return f"{who} is blacklisted"
    if who.is_multicast or who.is_unspecified or who == _EVERYBODY:
        return f"{who} is not one host"
    return ""


def against_command(policy: Policy, stanza: int, values: Values, now: Moment) -> str:
    """What speaks against opening by the stanza's command; empty: nothing does."""
    terms = _terms(policy, stanza)
    if terms is None:
        return f"there is no stanza #{stanza}"
    if terms.cycle is None or not terms.offers(values.service):
        return f"stanza #{stanza} opens no {values.service} by a command"
    if not 0 < values.seconds <= terms.max_seconds:
        return f"stanza #{stanza} opens nothing for {values.seconds} s"
    if not _could_be_sent(policy, values.ends - values.seconds, now):
        return f"no packet of now ends at {values.ends}"
    if not terms.admits_destination(values.destination):
        return f"its stanza takes no packet for {values.destination}"
    return callers.may_be_named(policy, terms, Caller(values.who), values.source) or _of_the_stanza(
        policy, terms, values.who, values.source, now
    )


def _could_be_sent(policy: Policy, sent_at: int, now: Moment) -> bool:
    """Whether a packet that says it was sent then is taken, or was a moment ago."""
    if policy.max_age is None:
        return 0 <= sent_at < _LAST_TIME
    age = int(now.wall) - sent_at
    return -policy.max_age - 1 <= age <= policy.max_age + LATE


def _terms(policy: Policy, number: int) -> Terms | None:
    try:
        return policy.terms(number)
    except IndexError:
        return None


def _of_the_stanza(policy: Policy, terms: Terms, who: Address, source: Address, now: Moment) -> str:
    if terms.blocked or terms.expired(now.wall):
        return "its stanza lets nobody in any more"
    if not terms.admits_source(source):
        return f"its stanza takes no packet from {source}"
    if any(each in network for network in policy.blacklist for each in (who, source)):
        return f"{who} or {source} is blacklisted"
    if who.is_multicast or who.is_unspecified or who == _EVERYBODY:
        return f"{who} is not one host"
    return ""


def _of_the_family(policy: Policy, who: Address) -> str:
    return "" if who.version in policy.families else f"no chain passes IPv{who.version}"


def _of_the_hole(policy: Policy, terms: Terms, hole: Hole) -> str:
    """Whether there is a request to which this would be the answer."""
    if hole.answers:
        why = _of_answers(policy, terms, hole)
        return why or _of_the_destination(policy, terms, hole.who, hole.destination)
    if hole.ticket > 0:  # of a hole that may lead somewhere, and is asked for as well
        why = _of_the_service(terms, hole) or _of_the_number(terms, hole)
        return why or _of_the_destination(policy, terms, hole.who, hole.destination)
    why = (
        _of_the_service(terms, hole)
        or _of_the_number(terms, hole)
        or callers.covers(policy, terms, Caller(hole.who, hole.extent))
        or _of_the_lead(policy, terms, hole)
    )
    if why or (hole.lead is not None and hole.lead.everything):
        return why
    return _of_the_destination(policy, terms, hole.who, hole.destination)


def _of_answers(policy: Policy, terms: Terms, hole: Hole) -> str:
    """Whether what goes out from there may be answers to a caller of the stanza's."""
    if not terms.answers or not terms.access:
        return "its stanza lets no answers out by themselves"
    if hole.service is None or hole != Hole(hole.who, hole.service, hole.destination, answers=True):
        return "answers are let out to a whole address, from one port"
    if why := callers.covers(policy, terms, Caller(hole.who)):
        return why
    offered = terms.sharing.secret_ports is None and terms.offers(hole.service)
    led = leads.may_lead_to(policy, terms, hole.service)
    return "" if offered or led else f"its stanza does not offer {hole.service}"


def _of_the_service(terms: Terms, hole: Hole) -> str:
    service, lead, ports = hole.service, hole.lead, terms.sharing.secret_ports
    if ports is not None:
        return secret.may_lead(terms, hole, ports)
    if service is None:
        opens = terms.access and lead is not None and lead.everything
        return "" if opens else "its stanza opens nothing"
    return "" if terms.offers(service) else f"its stanza does not offer {service}"


def _of_the_number(terms: Terms, hole: Hole) -> str:
    """Whether connections are counted as the stanza says. Who is bound to a port has one."""
    if hole.ticket > 0 and (hole.lead is not None or hole.extent is not None):
        return "a ticket leads nowhere, and is for a whole address"
    most = terms.sharing.connections
    if most is not None and len(hole.numbers) > most:
        return f"{len(hole.numbers)} connections are more than the {most} of its stanza"
    counts = most is not None and hole.extent is None
    if counts is bool(hole.ticket):
        return ""
    return f"its stanza lets in {'a number of' if counts else 'any number of'} connections"


def _of_the_lead(policy: Policy, terms: Terms, hole: Hole) -> str:
    if leads_for(policy, terms, hole) == hole.lead:
        return ""
    return f"its stanza leads nobody to {hole.lead}" if hole.lead else "its stanza leads elsewhere"


def leads_for(policy: Policy, terms: Terms, hole: Hole) -> Lead | str | leads.No | None:
    """What ``leads.lead`` says to whoever asks for just this."""
    services = () if hole.service is None else (hole.service,)
    wish: AccessWish | ForwardWish = AccessWish(services)
    if not terms.nat.forced and hole.lead is not None:
        host, port = hole.lead.host, hole.lead.port
        wish = ForwardWish(services, "" if host is None else str(host), port, local=host is None)
        kinds = [wish]
        if terms.nat.through:  # whichever kind was asked for
            kinds.append(replace(wish, local=not wish.local))
        if not (services or terms.nat.through):
            return None
        if not any(leads.enabled(policy, terms, each) for each in kinds):
            return None
    return leads.lead(policy, terms, wish, hole.who, None)


def _of_the_destination(
    policy: Policy, terms: Terms, who: Address, destination: Address | None
) -> str:
    if not policy.destination_rule:
        return ""
    if destination is None or destination.version != who.version:
        return "it is not limited to one destination"
    if not terms.admits_destination(destination):
        return f"its stanza takes no packet for {destination}"
    return ""
