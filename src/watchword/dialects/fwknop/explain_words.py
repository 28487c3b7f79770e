"""A policy and a judgement in sentences, for ``watchword explain`` and ``watchword check``.

In here: the words. Not in here: those for what is run (explain_commands) and for other parts of a
stanza (explain_leads and its like), finding out what is true (service.explain), the reasons one
by one (remedies).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import assert_never

from watchword.dialects.fwknop import (
    explain_callers,
    explain_commands,
    explain_doors,
    explain_knocks,
    explain_leads,
    explain_sharing,
)
from watchword.model.actions import ADMIT
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.old_knocks import Shared
from watchword.model.openpgp import Signers
from watchword.model.policy import Policy, Terms
from watchword.model.requests import AccessWish, CommandWish, Request
from watchword.model.services import Service
from watchword.model.settings import (
    CaptureFile,
    KnockGroup,
    KnockLog,
    KnockSniffer,
    PacketQueue,
    Settings,
    Sniffer,
    TcpPort,
    UdpPort,
)

_FEW = 12  # services that are named one by one


def policy_in_words(settings: Settings, policy: Policy) -> Iterator[str]:
    """What the configuration amounts to, line by line."""
    yield from (f"packets are received {each}" for each in _ways(settings))
    yield from _firewall(settings)
    if settings.mail is not None:
        yield f"alerts are mailed to {', '.join(settings.mail.addresses)}"
    if settings.webhooks is not None:
        signed = "signed" if settings.webhooks.key is not None else "NOT signed"
        places = ", ".join(map(str, settings.webhooks.places))
        yield f"alerts are posted to {places}, {signed}"
    yield from explain_leads.attached(settings.firewall)
    if policy.max_age is None:
        yield "time stamps are not looked at (ENABLE_SPA_PACKET_AGING N)"
    else:
        yield f"time stamps may lie {policy.max_age} seconds in the past or the future"
    if policy.digests is not None:
        names = ", ".join(digest.name for digest in sorted(policy.digests))
        yield f"packets with another inner digest than {names} are refused"
    if policy.blacklist:
        yield f"nothing is done for {', '.join(map(str, policy.blacklist))} (BLACKLIST)"
    if not policy.remember:
        yield "replayed packets are NOT detected (ENABLE_DIGEST_PERSISTENCE N)"
    if policy.destination_rule:
        yield "a grant opens only the address that was knocked at"
    for terms in policy.stanzas:
        yield f"stanza #{terms.number} ({terms.place}):"
        if terms.blocked:
            yield "  BLOCKED: nothing sealed with its key is accepted (watchword unblock)"
        yield from (f"  {line}" for line in terms_in_words(terms))
        yield from (f"  {line}" for line in explain_leads.leading(terms, policy))
    yield from explain_doors.in_words(policy.doors)


def _ways(settings: Settings) -> Iterator[str]:
    for source in settings.sources:
        match source:
            case UdpPort(port):
                yield f"on UDP port {port}, IPv4 and IPv6"
            case TcpPort(port):
                yield f"on TCP port {port}, IPv4 and IPv6"
            case Sniffer(interfaces, wanted):
                where = ", ".join(interfaces) or "every interface"
                what = f"the filter {wanted.text}" if wanted.text else "no filter"
                yield f"by sniffing on {where} with {what}; no port is open for it"
            case CaptureFile(path, wanted):
                what = f"the filter {wanted.text}" if wanted.text else "no filter"
                yield f"from the capture file {path} as it grows, with {what}"
            case PacketQueue(port, interface, number):
                where = f" on {interface}" if interface else ""
                yield f"to UDP port {port}{where}, from netfilter queue {number}; no port is open"
            case KnockLog(path, pipe):
                where = f"the named pipe {path}" if pipe else f"the log {path}"
                yield f"as knocks that the firewall's log tells of, from {where}"
            case KnockGroup(group):
                yield f"as knocks that the firewall logs to NFLOG group {group}"
            case KnockSniffer(interfaces):
                where = ", ".join(interfaces) or "every interface"
                yield f"as knocks, by sniffing on {where}"
            case _:
                assert_never(source)
    if settings.requests is not None:
        proxies = ", ".join(map(str, settings.requests.proxies))
        yield "inside HTTP requests as well" + (
            f"; X-Forwarded-For is believed of {proxies}" if proxies else ""
        )


def _firewall(settings: Settings) -> Iterator[str]:
    firewall = settings.firewall
    if firewall.in_iptables:
        use = firewall.input
        yield (
            f"grants are accepted by the chain {use.chain} of iptables, called from {use.caller} "
            f"(table {use.table}); what is closed without a grant is for {use.caller} to say"
        )
    elif firewall.in_zones:
        names = ", ".join(firewall.firewalld.zones)
        where = f"the zones {names}" if names else "every active zone, and the default one,"
        yield (
            f"grants are rich rules in {where} of firewalld; what is closed without a grant is for "
            "the zone to say"
        )
    elif firewall.in_dated_rules:
        yield (
            f"grants are rules in {firewall.home}; what is closed without a grant is for your "
            "other rules to say"
        )
    else:
        yield from _attached(firewall)


def _attached(firewall: FirewallSettings) -> Iterator[str]:
    """The same for nftables."""
    if firewall.attach is Attach.JUMP:
        for chain in firewall.jump_from:
            yield (
                f"grants are accepted by a jump from the chain {chain.family} {chain.table} "
                f"{chain.chain}; what is closed without a grant is for that chain to say"
            )
    elif firewall.attach is Attach.MARK:
        yield (
            f"packets of who may come in are marked with {firewall.mark:#x} (table inet "
            f"{firewall.table}); what is closed without the mark is for your own rules to say"
        )
    elif firewall.attach is Attach.SETS:
        named = ", ".join(map(str, firewall.sets))
        yield f"who may come in is put into {named}; your own rules say what that is worth"
    elif firewall.guard_all:
        public = f"{services(firewall.public)} and " if firewall.public else ""
        yield (
            f"everything new from outside is dropped except {public}what is granted "
            f"(table inet {firewall.table})"
        )
    else:
        yield f"hidden until granted: {services(firewall.guarded)} (table inet {firewall.table})"


def terms_in_words(terms: Terms) -> Iterator[str]:
    """One stanza: from where, with what proof, to what, for how long."""
    where = ", ".join(map(str, terms.sources)) or "anywhere"
    if terms.barred:
        where += f" except {', '.join(map(str, terms.barred))}"
    if terms.knock is not None:
        yield f"knocks from {where}{_to(terms)}"
        yield from explain_knocks.words(terms.knock)
    else:
        yield f"packets from {where}{_to(terms)}"
        yield " or ".join(_seals(terms)) + f", {_mac(terms)}"
    if terms.users:
        yield f"carrying the user name {' or '.join(sorted(terms.users))}"
    yield f"may open {_offer(terms)}" if terms.access else "opens nothing"
    if terms.cycle is not None:
        yield from explain_commands.cycle(terms.cycle)
    if terms.commands is not None:
        yield explain_commands.commands(terms.commands)
    if terms.keep_seconds is not None:
        yield (
            "and for as long as somebody is connected through it, up to "
            f"{terms.keep_seconds} seconds after the last packet (KEEP_WHILE_CONNECTED)"
        )
    if terms.owner_closes:
        yield "its callers may close what they have opened (ENABLE_OWNER_CLOSE)"
    yield from explain_callers.words(terms.callers)
    if terms.proves:
        yield "one connection for each packet may prove that it is the knocker's (PROVE)"
    yield from explain_sharing.words(terms.sharing)
    for each in terms.actions:
        yield explain_commands.action(each)
    yield f"{_whom(terms)}, for {_time(terms)}"
    if terms.expires is not None:
        yield f"until the stanza expires at {_date(terms.expires)}"


def _date(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} (Unix seconds)"


def _whom(terms: Terms) -> str:
    if isinstance(terms.knock, Shared):
        return "for the address that the knocks came from"
    what = "packet" if terms.knock is None else "knock"
    whom = f"for an address that the {what} names"
    if not terms.source_required:
        return f"{whom}, or the one it came from"
    if terms.source_optional_from:
        whom += f" (from {', '.join(map(str, terms.source_optional_from))}: also without)"
    return whom


def _to(terms: Terms) -> str:
    where = f" seen on {' or '.join(sorted(terms.interfaces))}" if terms.interfaces else ""
    if not terms.destinations:
        return where
    return " to " + ", ".join(map(str, terms.destinations)) + where


def _seals(terms: Terms) -> Iterator[str]:
    if terms.credential is not None:
        yield f"sealed with a key of {len(terms.credential.key)} bytes"
    if terms.openpgp is not None:
        home = terms.openpgp.keyring.home or "gpg's own home"
        yield f"sealed to the OpenPGP key in {home}, {_signers(terms.openpgp.signers)}"


def _signers(signers: Signers) -> str:
    if not signers.required:
        return "signed by ANYBODY OR NOBODY"
    listed = sorted(signers.fingerprints | signers.ids)
    whom = "signed by " + " or ".join(listed)
    return f"{whom}, WHATEVER IS WRONG with the signature" if signers.any_state else whom


def _mac(terms: Terms) -> str:
    if terms.mac_key is None:
        return "WITHOUT an HMAC"
    return f"with an HMAC ({terms.mac_digest.name})"


def _offer(terms: Terms) -> str:
    offered = "any port" if terms.open_services is None else services(terms.open_services)
    if terms.closed_services:
        return f"{offered}, but never {services(terms.closed_services)}"
    return offered


def _time(terms: Terms) -> str:
    default = min(terms.default_seconds, terms.max_seconds)
    if terms.knock is not None:
        return f"{default} seconds"
    if not terms.seconds_by_caller:
        return f"{default} seconds; one that asks for a time is refused"
    return f"{default} seconds unless it asks for a time, at most {terms.max_seconds}"


def services(them: Iterable[Service]) -> str:
    """A list for a sentence, shortened where it is long."""
    listed = sorted(set(them))
    text = ", ".join(map(str, listed[:_FEW]))
    if len(listed) > _FEW:
        text += f" and {len(listed) - _FEW} more"
    return text or "nothing"


def request_in_words(request: Request) -> str:
    """What a packet asks for."""
    who = "the address it came from" if request.allow is None else str(request.allow)
    match request.wish:
        case AccessWish(wanted):
            what = services(wanted)
        case CommandWish(command) if command.split(maxsplit=1)[:1] == [ADMIT]:
            what = f"{command[:100]!r}"
        case CommandWish():
            what = "a command to be run"
        case wish:
            what = services(wish.services) + explain_leads.wish(wish)
    time = f" for {request.seconds} seconds" if request.seconds else ""
    return f"user {request.user!r} asks for {what} for {who}{time}"
