"""Rich rules of firewalld: an opening as one, and which of those that are listed are ours.

In here: text both ways. Not in here: zones, timeouts (backend), what firewalld makes of it
(kernel). No I/O.

A rich rule has no room for a word of ours. What tells our rules from others is their priority,
of which there are two, so that a renewed opening can be there twice for a moment.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, NamedTuple

from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.openings import Extent, Hole, Lead
from watchword.model.services import Proto, Service

_WORD: Final = re.compile(r'([a-z-]+)(?:="([^"]*)")?(?: |$)')
_NUMBER: Final = re.compile(r"-?[0-9]{1,5}")
_PROTOS: Final = {str(each): each for each in Proto}


class Rule(NamedTuple):
    """One rich rule, whichever zones it is in."""

    hole: Hole
    priority: int
    """-32768 to -1: before all rules of the zone that have none."""


def service_of(hole: Hole) -> Service:
    """What callers connect to. Raises HostError: no rich rule does what becomes of it."""
    service, lead, extent = hole.service, hole.lead, hole.extent
    if extent is not None and (extent.port or extent.first or lead is not None):
        raise HostError(
            f"no rich rule of firewalld can let in just {hole.who}{extent}",
            hint="use FIREWALL_BACKEND nftables",
        )
    if hole.answers:
        raise HostError(
            f"no rich rule of firewalld lets just the answers to {hole.who} out",
            hint="use FIREWALL_BACKEND nftables",
        )
    if hole.ticket:
        raise HostError(
            f"no rich rule of firewalld counts the connections of {hole.who}",
            hint="use FIREWALL_BACKEND nftables",
        )
    if service is None or (lead is not None and (lead.everything or lead.source is not None)):
        raise HostError(
            f"no rich rule of firewalld can lead {hole.who} on ({lead})",
            hint="use FIREWALL_BACKEND nftables",
        )
    return service


def source_of(hole: Hole) -> str:
    """Who is let in: an address, or a network."""
    return str(hole.who) if hole.extent is None else f"{hole.who}/{hole.extent.bits}"


def text(rule: Rule) -> str:
    """As firewalld takes it, and lists it. Raises HostError: there is none for that."""
    service = service_of(rule.hole)
    destination, lead = rule.hole.destination, rule.hole.lead
    family, source = f"ipv{rule.hole.who.version}", source_of(rule.hole)
    words = [f'rule priority="{rule.priority}" family="{family}" source address="{source}"']
    if destination is not None:
        words.append(f'destination address="{destination}"')
    port = f'port port="{service.port}" protocol="{service.proto}"'
    if lead is None:
        words.append(f"{port} accept")
    else:
        words.append(f'forward-{port} to-port="{lead.port}"')
        if lead.host is not None:
            words.append(f'to-addr="{lead.host}"')
    return " ".join(words)


def parse(line: str) -> Rule | None:
    """A listed rule, if an opening could be one like it; None: it is something else."""
    found = _words(line)
    if found is None:
        return None
    try:
        return _rule(found)
    except (ValueError, KeyError):
        return None


def _words(line: str) -> list[tuple[str, str]] | None:
    """Words, and what each is set to; None: it is not written like a rich rule."""
    words, at = [], 0
    while at < len(line):
        match = _WORD.match(line, at)
        if match is None:
            return None
        words.append((match[1], match[2] or ""))
        at = match.end()
    return words


def _rule(words: list[tuple[str, str]]) -> Rule:
    """Raises ValueError, KeyError: an opening has no such words."""
    names = [name for name, _ in words]
    values = _values(words)
    source, slash, bits = values.pop("source address").partition("/")
    who = ip_address(source)
    to = values.pop("destination address", None)
    destination = None if to is None else ip_address(to)
    lead = _lead(values) if "forward-port" in names else None
    if not _NUMBER.fullmatch(values["priority"]):
        raise ValueError("priority")
    priority = int(values.pop("priority"))
    service = Service(_PROTOS[values.pop("protocol")], int(values.pop("port")))
    if values.pop("family") != f"ipv{who.version}" or values or priority >= 0:
        raise ValueError("something else")
    if (names[-1] == "accept") is (lead is not None):
        raise ValueError("another action")
    whole = not slash or int(bits) == who.max_prefixlen
    extent = None if whole else Extent(bits=int(bits))
    return Rule(Hole(who, service, destination, lead, extent), priority)


def _values(words: list[tuple[str, str]]) -> dict[str, str]:
    """What is set to what; addresses by whose they are. Raises ValueError: other words."""
    found: dict[str, str] = {}
    whose = ""
    for name, value in words:
        if name in ("source", "destination"):
            whose = f"{name} "
        elif name == "address":
            found[f"{whose}address"] = value
        elif name in ("rule", "accept", "forward-port") or (name == "port" and not value):
            continue
        elif name in ("priority", "family", "port", "protocol", "to-port", "to-addr"):
            found[name] = value
        else:
            raise ValueError(name)
    return found


def _lead(values: dict[str, str]) -> Lead:
    host: Address | None = None
    if values.get("to-addr"):
        host = ip_address(values["to-addr"])
    values.pop("to-addr", None)
    return Lead(host, int(values.pop("to-port")))
