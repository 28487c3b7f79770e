"""No more than so many connections at once from one address: a chain of its own, and sets.

In here: the text. Not in here: who may connect at all (guard). No I/O.

The chain stands right behind that of the guard, so it sees who was let in. The kernel counts, for
each address, the connections that it knows to be alive; a SYN that is sent again is not another. An
address of which it knows none any more is taken out of the set by the kernel itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.edges.firewall.nft import leading
from watchword.edges.firewall.nft.layout import PASS_SIZE, ExpectedChain, Home, Hook
from watchword.model.firewalls import FirewallSettings

CHAIN: Final = "crowd"
PRIORITY: Final = -109  # after the guard, before any destination NAT
_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
_COMMENT = "no more at once"


def sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    what = f"flags dynamic; size {PASS_SIZE};"
    return {f"{CHAIN}{v}": f"type {_TYPE[v]}; {what}" for v in _TYPE if settings.at_once}


def rules(settings: FirewallSettings, ungoverned: Sequence[str]) -> list[str]:
    """``ungoverned``: rules that accept what is not the guard's affair."""
    if not settings.at_once:
        return []
    count = [
        f"add @{CHAIN}{v} {{ {address} saddr ct count over {settings.at_once} }} drop"
        for v, address in _ADDRESS.items()
    ]
    marked = f"meta mark & {leading.field(settings):#010x} != 0" if settings.leads else ""
    return [
        "iif lo accept",
        "ct state != new accept",
        "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn accept",
        *(f"{marked} {each}" for each in (count if marked else ())),
        f"fib daddr type != {leading.HERE} accept",
        *ungoverned,
        *count,
    ]


def _comment(settings: FirewallSettings, ungoverned: Sequence[str]) -> str:
    whole = (rules(settings, ungoverned), sets(settings), PRIORITY)
    return f"{_COMMENT} ({leading.digest(whole)})"


def expected(
    settings: FirewallSettings, home: Home, ungoverned: Sequence[str]
) -> tuple[ExpectedChain, ...]:
    """The chain that ``script`` makes."""
    comments = (_comment(settings, ungoverned),) * len(rules(settings, ungoverned))
    return (ExpectedChain(home, CHAIN, comments, Hook(0, PRIORITY, 1)),) if comments else ()


def script(settings: FirewallSettings, home: Home, ungoverned: Sequence[str]) -> list[str]:
    """Lines that make it, to stand after the sets."""
    found = rules(settings, ungoverned)
    if not found:
        return []
    base = f"{{ type filter hook prerouting priority {PRIORITY}; policy accept; }}"
    comment = _comment(settings, ungoverned)
    return [
        f"add chain {home} {CHAIN} {base}",
        f"flush chain {home} {CHAIN}",
        *(f'add rule {home} {CHAIN} {rule} comment "{comment}"' for rule in found),
    ]
