"""The text of a table of our own that hides nothing: it marks packets, or leads them on.

In here: values in, text for ``nft -f -`` out, and the structure that text makes.
Not in here: what leads on (leading), the table that hides (guard).

With attachment ``mark`` whoever was granted a service has the packets marked with which he
asks for it, and the operator's own rules look at the mark. With the others it stands only where
openings may lead somewhere. Packets of connections that are under way are not marked: the
operator's rules let them go on, as they do without us.
"""

from __future__ import annotations

import hashlib

from watchword.edges.firewall.nft import leading
from watchword.edges.firewall.nft.guard import PRIORITY
from watchword.edges.firewall.nft.layout import SET_SIZE, ExpectedChain, Home, Hook, Structure
from watchword.model.firewalls import Attach, FirewallSettings

CHAIN = "ahead"
MARK = "made by watchword"

_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}


def home(settings: FirewallSettings) -> Home:
    return Home("inet", settings.table)


def wanted(settings: FirewallSettings) -> bool:
    """Whether there is anything for it to do."""
    return settings.leads or settings.attach is Attach.MARK


def _sets(settings: FirewallSettings) -> dict[str, str]:
    found = {}
    if settings.attach is Attach.MARK:
        for v, address in _TYPE.items():
            limit = f"flags timeout; size {SET_SIZE};"
            found[f"open{v}"] = f"type {address} . inet_proto . inet_service; {limit}"
            key = f"{address} . {address} . inet_proto . inet_service"
            found[f"open{v}_to"] = f"type {key}; {limit}"
    return found


def _rules(settings: FirewallSettings) -> list[str]:
    rules = ["iif lo accept"]
    if settings.leads:
        rules += [rule for rule, _ in leading.RULES]
    if settings.attach is Attach.MARK:
        mark, service = leading.marking(settings), "meta l4proto . th dport"
        rules.append(f"fib daddr type != {leading.HERE} accept")
        for v, address in _ADDRESS.items():
            rules.append(f"{address} saddr . {service} @open{v} {mark} accept")
            rules.append(f"{address} saddr . {address} daddr . {service} @open{v}_to {mark} accept")
    return rules


def _comment(settings: FirewallSettings) -> str:
    whole = repr((_rules(settings), _sets(settings)))
    return f"marks who may go on ({hashlib.blake2s(whole.encode(), digest_size=4).hexdigest()})"


def structure(settings: FirewallSettings) -> Structure:
    """What ``script`` makes."""
    ours = home(settings)
    comments = (_comment(settings),) * len(_rules(settings))
    sets = [*_sets(settings), *(leading.sets(settings) if settings.leads else {})]
    return Structure(
        homes=(ours,) if settings.attach is Attach.MARK else (),
        chains=(
            ExpectedChain(ours, CHAIN, comments, Hook(0, PRIORITY, 1)),
            *(leading.expected(settings, ours) if settings.leads else ()),
        ),
        sets=tuple((ours, name) for name in sets),
        strange=() if settings.leads else ((ours, leading.LEAD_ON),),
        own=ours,
    )


def script(settings: FirewallSettings) -> str:
    """The whole structure as one transaction for ``nft -f -``; keeps the elements of its sets."""
    table = str(home(settings))
    lines = [f'add table {table} {{ comment "{MARK}"; }}']
    if settings.leads:
        lines += leading.script(settings, home(settings))
    lines += [f"add set {table} {name} {{ {what} }}" for name, what in _sets(settings).items()]
    lines += [
        f"add chain {table} {CHAIN} "
        f"{{ type filter hook prerouting priority {PRIORITY}; policy accept; }}",
        f"flush chain {table} {CHAIN}",
    ]
    comment = _comment(settings)
    lines += [f'add rule {table} {CHAIN} {rule} comment "{comment}"' for rule in _rules(settings)]
    return "".join(f"{line}\n" for line in lines)


def removal(settings: FirewallSettings) -> str:
    return f"delete table {home(settings)}\n"
