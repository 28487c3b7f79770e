"""The text of attachment ``jump``: one jump out of the operator's own chain into ours.

In here: values in, text for ``nft -f -`` out, and the structure that text
makes. Not in here: running it (backend), elements of openings (elements).

Our sets are maps to the verdict ``accept``. In a table that iptables-nft
looks after, iptables-save leaves out what it cannot express: of a rule "in
the set: accept" it would keep "accept", and whoever restored that would let
everybody in. Of a map lookup it keeps a rule that does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from watchword.edges.firewall.nft.layout import SET_SIZE, ExpectedChain, Home, Structure
from watchword.model.settings import FirewallSettings, JumpFrom

CHAIN = "watchword"
MARK = "watchword"
_PREFIX = "watchword_"

_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}


def homes(settings: FirewallSettings) -> tuple[Home, ...]:
    """The operator's tables, each once, in the order of the settings."""
    places = dict.fromkeys((each.family, each.table) for each in settings.jump_from)
    return tuple(Home(family, table, _PREFIX, verdicts=True) for family, table in places)


def _maps(home: Home) -> dict[str, str]:
    maps = {}
    for v in home.versions:
        for to in (False, True):
            addresses = " . ".join([_TYPE[v]] * (2 if to else 1))
            maps[home.set_name(v, to=to)] = (
                f"type {addresses} . inet_proto . inet_service : verdict; "
                f"flags timeout; size {SET_SIZE};"
            )
    return maps


def _rules(home: Home) -> list[tuple[str, str]]:
    rules = []
    for v in home.versions:
        address, service = _ADDRESS[v], "meta l4proto . th dport"
        plain, to = home.set_name(v, to=False), home.set_name(v, to=True)
        rules += [
            f"{address} saddr . {service} vmap @{plain}",
            f"{address} saddr . {address} daddr . {service} vmap @{to}",
        ]
    whole = repr((rules, _maps(home)))
    digest = hashlib.blake2s(whole.encode(), digest_size=4).hexdigest()
    return [(rule, f"granted ({digest})") for rule in rules]


def structure(settings: FirewallSettings) -> Structure:
    """What ``script`` makes."""
    found = homes(settings)
    return Structure(
        homes=found,
        chains=tuple(
            ExpectedChain(home, CHAIN, tuple(comment for _, comment in _rules(home)))
            for home in found
        ),
        sets=tuple((home, name) for home in found for name in _maps(home)),
        jumps=tuple(dict.fromkeys(settings.jump_from)),
    )


def script(settings: FirewallSettings, missing: Iterable[JumpFrom]) -> str:
    """The whole structure as one transaction for ``nft -f -``.

    Args:
        missing: The operator's chains that have no jump to ours yet.
    """
    lines = []
    for home in homes(settings):
        lines += [f"add map {home} {name} {{ {what} }}" for name, what in _maps(home).items()]
        lines += [f"add chain {home} {CHAIN}", f"flush chain {home} {CHAIN}"]
        lines += [
            f'add rule {home} {CHAIN} {rule} comment "{comment}"' for rule, comment in _rules(home)
        ]
    lines += [
        f'insert rule {each.family} {each.table} {each.chain} jump {CHAIN} comment "{MARK}"'
        for each in missing
    ]
    return "".join(f"{line}\n" for line in lines)


def removal(
    jumps: Iterable[tuple[JumpFrom, int]],
    chains: Iterable[Home],
    maps: Iterable[tuple[Home, str]],
) -> str:
    """Take out exactly what is ours.

    Args:
        jumps: The rules that jump to our chain, by handle.
        chains: Tables that have our chain.
        maps: Our maps that are there.
    """
    lines = [
        f"delete rule {each.family} {each.table} {each.chain} handle {handle}"
        for each, handle in jumps
    ]
    for home in chains:
        lines += [f"flush chain {home} {CHAIN}", f"delete chain {home} {CHAIN}"]
    lines += [f"delete map {home} {name}" for home, name in maps]
    return "".join(f"{line}\n" for line in lines)
