"""The rules that openings are in iptables, as fwknopd writes them.

In here: openings into rules, and what can be read back of a rule. Not in here:
putting them in (warden), the chains they are in (chains). No I/O.

A rule says when it ends, in its comment: ``_exp_`` and Unix seconds. It is
written as ``iptables -S`` shows it, so that what stands can be compared with
what should. Source: fwknopd server, section 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from watchword.edges.firewall.plain import service_of
from watchword.edges.firewall.tables.listing import Line
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.firewalls import ChainUse, FirewallSettings
from watchword.model.openings import Hole, Lead, SourceNat
from watchword.model.services import Service

_EXPIRY = re.compile(r"(?:^| )-m comment --comment _exp_([0-9]{1,12})(?= |$)")
_PORT = r"-p (tcp|udp) -m \1 --(?:dport|sport) [0-9]+"
_ADDRESSES = r"(?:-s \S+ )?(?:-d \S+ )?"
_CAME_FOR = r"-m conntrack --ctorigdstport [0-9]+ "
_GRANT = re.compile(
    rf"{_ADDRESSES}(?:{_PORT} (?:{_CAME_FOR})?)?-m comment --comment _exp_[0-9]+ -j .*"
)


def lines(hole: Hole, expires: int, settings: FirewallSettings) -> tuple[Line, ...]:
    """The rules of one opening that ends at these Unix seconds.

    Raises HostError: there are no chains for where it leads.
    """
    writing = _Writing(hole, f"-m comment --comment _exp_{expires}", settings)
    if hole.answers:
        plain = service_of(hole._replace(answers=False))
        if settings.output is None:
            raise HostError(f"nothing here lets answers to {hole.who} out")
        return tuple(writing.answers(plain)) if settings.answers_apart else ()  # all are let out
    if hole.lead is None:
        return tuple(writing.access(service_of(hole)))
    if hole.ticket:
        raise HostError(f"nothing here counts the connections of {hole.who}")
    if not settings.leads or (hole.lead.source is not None and not settings.seen_as):
        raise HostError(f"nothing here can lead {hole.who} on ({hole.lead})")
    return tuple(writing.leading(hole.lead))


class _Writing:
    """The rules of one opening."""

    def __init__(self, hole: Hole, comment: str, settings: FirewallSettings) -> None:
        self._hole = hole
        self._comment = comment
        self._settings = settings
        self._who = _address(hole.who)
        self._to = "" if hole.destination is None else f"-d {_address(hole.destination)} "

    def access(self, service: Service) -> Iterator[Line]:
        yield self._line(
            self._settings.input, f"-s {self._who} {self._to}{_port(service)}{self._comment}"
        )
        if not self._settings.answers_apart:
            yield from self.answers(service)

    def answers(self, service: Service) -> Iterator[Line]:
        """What goes out, where anything has to be said of that."""
        if self._settings.output is not None:
            here = self._to.replace("-d", "-s", 1)
            answers = f"{here}-d {self._who} {_port(service, 'sport')}{self._comment}"
            yield self._line(self._settings.output, answers)

    def leading(self, lead: Lead) -> Iterator[Line]:
        """What leads on before what lets pass: alone, the first opens nothing."""
        chains, hole = self._settings.lead_chains, self._hole
        asked = "" if hole.service is None else _port(hole.service)
        inner = "" if hole.service is None else _port(Service(hole.service.proto, lead.port))
        host = "" if lead.host is None else _written(lead.host)
        if lead.host is not None or not lead.everything:
            there = host if lead.everything else f"{_bracketed(host)}:{lead.port}"
            led = f"-s {self._who} {self._to}{asked}{self._comment}"
            yield self._line(chains.dnat, led, f" --to-destination {there}")
        if lead.source is not None:
            who = f"-s {self._who} " if lead.everything or lead.host is None else ""
            seen = who or f"-d {_address(lead.host)} "  # type: ignore[arg-type]  # it has a host
            yield from self._seen_as(lead.source, f"{seen}{inner}{self._comment}")
        passing = f"{inner}{self._came_for()}{self._comment}"
        if lead.host is None and not lead.everything:
            yield self._line(self._settings.input, f"-s {self._who} {self._to}{passing}")
        else:
            yield self._line(chains.forward, f"-s {self._who} {passing}")

    def _came_for(self) -> str:
        """Of who is led on from a secret port: only by that, not who knows where it leads."""
        service = self._hole.service
        if service is None or not self._settings.is_secret(service):
            return ""
        return f"-m conntrack --ctorigdstport {service.port} "

    def _seen_as(self, source: SourceNat, what: str) -> Iterator[Line]:
        chains = self._settings.lead_chains
        if source.address is None:
            yield self._line(chains.masquerade, what)
        else:
            yield self._line(chains.snat, what, f" --to-source {_written(source.address)}")

    def _line(self, use: ChainUse, what: str, more: str = "") -> Line:
        rule = f"{what} -j {use.target}{more}"
        return Line(self._hole.who.version, use.table, use.chain, rule)


def _port(service: Service, which: str = "dport") -> str:
    return f"-p {service.proto} -m {service.proto} --{which} {service.port} "


def expiry(rule: str) -> int | None:
    """When a rule says that it ends, in Unix seconds; None if it does not say so.

    Digits and nothing else: a comment that only looks like one is somebody's own.
    """
    found = _EXPIRY.search(rule)
    return int(found[1]) if found else None


def is_grant(rule: str) -> bool:
    """Whether a rule has the shape of a grant, of ours or of the packaged server's."""
    return _GRANT.fullmatch(rule) is not None


def _written(address: Address) -> str:
    """As iptables writes it."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _address(address: Address) -> str:
    """With its prefix."""
    return f"{_written(address)}/{address.max_prefixlen}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
