"""Says whether a stanza may have what an authenticated packet asks for.

In here: age, address, user, kind and port rules of one stanza, in the order
in which their answers show in the log (fwknopd server, section 8, tests 9 to 16).
Not in here: what a yes is (permits), who sealed the packet (recognise), whether it
was seen before (the replay store, asked before this), what is remembered of a yes (ledger).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watchword.grant import actions, asking, callers, closing, commands, leads, secret
from watchword.grant.callers import is_host
from watchword.grant.callers import who as _who
from watchword.grant.closing import ClosePermit
from watchword.grant.permits import Answer, CommandPermit, Permit, Unresolved
from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.openings import Caller, Extent, Lead
from watchword.model.outcomes import Refusal
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Request
from watchword.model.services import Service
from watchword.model.sharing import SharingTerms


def authorise(
    policy: Policy, request: Request, now: Moment, named: Sequence[Address] | None = None
) -> Answer:
    """Apply the rules of the request's own stanza.

    Args:
        policy: Where ``request.stanza`` is looked up.
        request: Authenticated and claimed.
        now: The wall clock is compared with the packet's time stamp.
        named: The addresses of the host that it names, if it names one; None: nobody has asked
            yet, which is worth while only if the answer is ``Unresolved``.

    Returns:
        A permit, or the first rule that said no.
    """
    terms = policy.terms(request.stanza)
    if terms.blocked:
        return _no(request, Reason.KEY_BLOCKED)
    try:
        request = asking.spelled_out(terms, request)
    except asking.UnreadableError as error:
        return _no(request, Reason.ADMIT_UNREADABLE, str(error))
    return _judged(policy, terms, request, now, named)


def _judged(
    policy: Policy, terms: Terms, request: Request, now: Moment, named: Sequence[Address] | None
) -> Answer:
    no = _age(policy, request, now) or _address(policy, terms, request) or _user(terms, request)
    if no is not None:
        return no
    wish = request.wish
    inner = request.digest if request.packet.knock is None else None
    if policy.digests is not None and inner is not None and inner not in policy.digests:
        return _no(request, Reason.DIGEST_NOT_ALLOWED, inner.name)
    if isinstance(wish, CommandWish):
        return _command(terms, request, wish)
    if isinstance(wish, ForwardWish) and not leads.enabled(policy, terms, wish):
        return _no(request, Reason.NO_FORWARDING)
    return _access(policy, terms, request, wish, named)


def _access(
    policy: Policy,
    terms: Terms,
    request: Request,
    wish: AccessWish | ForwardWish,
    named: Sequence[Address] | None,
) -> Permit | Unresolved | Refusal:
    if not terms.access:
        return _no(request, Reason.NO_ACCESS)
    if request.seconds and not terms.seconds_by_caller:
        return _no(request, Reason.TIME_NOT_PERMITTED, str(request.seconds))
    if (no := _ports(terms, request, wish)) is not None:
        return no
    lead: Lead | None = None
    if terms.cycle is None:
        found = leads.lead(policy, terms, wish, _who(request), named)
        if isinstance(found, str):
            return Unresolved(request, found)
        if isinstance(found, leads.No):
            return _no(request, found.reason, found.detail)
        lead = found
    return _permit(policy, terms, request, wish, lead)


def _permit(
    policy: Policy,
    terms: Terms,
    request: Request,
    wish: AccessWish | ForwardWish,
    lead: Lead | None,
) -> Permit | Refusal:
    """A yes, if it can be said for whom."""
    whom = _whom(policy, terms, request, lead)
    if isinstance(whom, callers.No):
        return _no(request, whom.reason, whom.detail)
    limited = policy.destination_rule and terms.cycle is None
    limited = limited and not (lead is not None and lead.everything)
    services = tuple(dict.fromkeys(wish.services))
    if terms.sharing.secret_ports is not None and terms.cycle is None:
        way = secret.way(terms, request, wish, lead, terms.sharing.secret_ports)
        if isinstance(way, secret.No):
            return _no(request, way.reason, way.detail)
        services, lead = (way.service,), way.lead
    return Permit(
        request=request,
        who=whom[0].who,
        services=services if lead is None else services[:1],
        destination=request.packet.destination if limited else None,
        seconds=min(request.seconds or terms.default_seconds, terms.max_seconds),
        cycle=terms.cycle,
        key=_key(terms),
        lead=lead,
        extent=whom[0].extent,
        also=whom[1:],
        sharing=_sharing(terms, whom[0].extent),
        identity=_identity(terms, request),
        answers=terms.answers,
    )


def _sharing(terms: Terms, extent: Extent | None) -> SharingTerms:
    """As the stanza says; but one port of a caller's has one connection at a time as it is."""
    return terms.sharing if extent is None else replace(terms.sharing, connections=None)


def _whom(
    policy: Policy, terms: Terms, request: Request, lead: Lead | None
) -> tuple[Caller, ...] | callers.No:
    found = callers.callers(policy, terms, request)
    if isinstance(found, callers.No):
        return found
    if lead is not None and callers.in_part(found):
        return callers.not_led_on(request, found)
    for each in found[1:]:
        if (no := _reachable(policy, request, each.who)) is not None:
            return callers.No(no.reason, no.detail)
    return found


def _identity(terms: Terms, request: Request) -> str:
    """A name counts where it is checked; else who has a key could be as many as he likes."""
    key = _key(terms) or f"#{terms.number}"
    return f"{key} {request.user}" if terms.users else key


def _key(terms: Terms) -> str:
    return "+".join(terms.key_names)


def _no(request: Request, reason: Reason, detail: str = "", expected: str = "") -> Refusal:
    return Refusal(reason, (request.stanza,), detail, expected)


def _age(policy: Policy, request: Request, now: Moment) -> Refusal | None:
    """Too far away in either direction; the limit itself passes (wire format, 13.3)."""
    if policy.max_age is None:
        return None
    age = int(now.wall) - request.sent_at
    if age > policy.max_age:
        return _no(request, Reason.TOO_OLD, str(age), str(policy.max_age))
    if -age > policy.max_age:
        return _no(request, Reason.FROM_THE_FUTURE, str(-age), str(policy.max_age))
    return None


def _address(policy: Policy, terms: Terms, request: Request) -> Refusal | None:
    if (listed := _blacklisted(policy, request)) is not None:
        return _no(request, Reason.BLACKLISTED, str(listed))
    if request.allow is None and _names_address(terms, request):
        return _no(request, Reason.SOURCE_REQUIRED)
    if isinstance(request.wish, CommandWish):
        return None  # the address is looked at no further: nothing is opened for it
    who = _who(request)
    if not is_host(who):
        return _no(request, Reason.ADDRESS_NOT_HOST, str(who))
    if terms.cycle is not None:
        return None  # what the firewall can do is not asked
    return _reachable(policy, request, who)


def _blacklisted(policy: Policy, request: Request) -> Address | None:
    """The first address of this packet that nothing is done for: its source, or whom to let in."""
    for address in (request.packet.source, request.packet.asker, _who(request)):
        if any(address in network for network in policy.blacklist):
            return address
    return None


def _names_address(terms: Terms, request: Request) -> bool:
    """Whether the packet has to name an address."""
    asker = request.packet.asker
    exempt = any(asker in network for network in terms.source_optional_from)
    return terms.source_required and not exempt


def _reachable(policy: Policy, request: Request, who: Address) -> Refusal | None:
    """Whether the firewall can open for that address, and for that destination only."""
    if who.version not in policy.families:
        return _no(request, Reason.NO_SUCH_FAMILY, f"IPv{who.version}")
    if policy.destination_rule:
        destination = request.packet.destination
        if destination is None or destination.version != who.version:
            detail = f"{who} cannot be limited to the destination {destination or 'unknown'}"
            return _no(request, Reason.ADDRESS_NOT_HOST, detail)
    return None


def _user(terms: Terms, request: Request) -> Refusal | None:
    if not terms.users or request.user in terms.users:
        return None
    expected = ",".join(sorted(terms.users))
    return Refusal(Reason.WRONG_USER, (request.stanza,), request.user, expected)


def _command(terms: Terms, request: Request, wish: CommandWish) -> Answer:
    """What the word for closing or an action's name begins is that, and never anything else."""
    try:
        return _by_name(terms, request, wish.command) or _freely(terms, request, wish.command)
    except actions.UnfitError as error:
        return _no(request, Reason.ACTION_UNFIT, str(error))


def _by_name(terms: Terms, request: Request, command: str) -> CommandPermit | ClosePermit | None:
    """None: it begins with no such name. Raises UnfitError."""
    if terms.owner_closes and closing.asks_to_close(command):
        return ClosePermit(request, _who(request), closing.services(command))
    if (action := actions.named(terms.actions, command)) is not None:
        return CommandPermit(request, command, actions.job(action, command), key=_key(terms))
    return None


def _freely(terms: Terms, request: Request, command: str) -> CommandPermit | Refusal:
    if terms.commands is None:
        return _no(request, _no_command(terms))
    try:
        return CommandPermit(
            request, command, commands.job(terms.commands, command), key=_key(terms)
        )
    except ValueError as error:
        return _no(request, Reason.COMMAND_UNREADABLE, str(error))


def _no_command(terms: Terms) -> Reason:
    """Why a stanza runs no command that is not one of its actions."""
    if terms.actions:
        return Reason.NO_SUCH_ACTION
    return Reason.NO_COMMANDS if terms.cycle is None else Reason.COMMAND_FOR_CYCLE


def _ports(terms: Terms, request: Request, wish: AccessWish | ForwardWish) -> Refusal | None:
    """Plain subset tests on sets (access.conf, 4.2). Of what is led on, on the port outside.

    A secret port is not listed anywhere; what it leads to is looked at elsewhere.
    """
    if terms.sharing.secret_ports is not None and isinstance(wish, ForwardWish):
        return None
    wanted = frozenset(wish.services)
    if restricted := wanted & terms.closed_services:
        return _no(request, Reason.PORT_RESTRICTED, _list(restricted))
    if terms.open_services is not None and (missing := wanted - terms.open_services):
        return _no(request, Reason.PORT_NOT_OFFERED, _list(missing))
    return None


def _list(services: frozenset[Service]) -> str:
    return ",".join(str(service) for service in sorted(services))
