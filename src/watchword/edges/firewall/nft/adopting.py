"""Sets of the operator's own that openings are put into.

In here: what has to stand, and whether the sets can hold what is put in.
Not in here: elements (elements); rules on these sets, which are the operator's.

Nothing is made and nothing but our own elements is ever taken out.
"""

from __future__ import annotations

from watchword.edges.firewall.nft.layout import Home, Structure
from watchword.edges.firewall.nft.survey import SetSeen, Survey
from watchword.errors import HostError
from watchword.model.firewalls import FirewallSettings, NamedSet

_TYPES = {4: (7, "ipv4_addr"), 6: (8, "ipv6_addr")}
_SERVICE = (12, "inet_proto"), (13, "inet_service")
_BITS = 6


def homes(settings: FirewallSettings) -> tuple[Home, ...]:
    """The operator's tables, with the names of the sets there."""
    found: dict[tuple[str, str], list[tuple[int, bool, str]]] = {}
    for each in settings.sets:
        names = found.setdefault((each.family, each.table), [])
        names.append((each.version, each.to, each.name))
    return tuple(Home(*where, names=tuple(names)) for where, names in found.items())


def structure(settings: FirewallSettings) -> Structure:
    """What has to stand."""
    found = homes(settings)
    return Structure(
        homes=found,
        chains=(),
        sets=tuple((home, name) for home in found for _, _, name in home.names),
    )


def check(settings: FirewallSettings, found: Survey) -> None:
    """Raises HostError: a set is missing, or cannot hold openings; the hint says how it would."""
    if not settings.sets:
        raise HostError(
            "no set is named that is to hold openings",
            hint="name one with NFT_SET4 or NFT_SET6, for example: inet filter allowed4",
        )
    in_order = [each for home in homes(settings) for each in _named(settings, home)]
    seen = found.sets[-len(in_order) :]
    for each, what in zip(in_order, seen, strict=True):
        make = f"nft add set {each} '{{ type {shape(each)[1]}; flags timeout; }}'"
        if what is None:
            raise HostError(f"there is no set {each}", hint=f"make it: {make}")
        if lacking := _lacking(each, what):
            raise HostError(
                f"openings do not fit into the set {each}: {lacking}",
                hint=f"name another one, or delete it and make it anew: {make}",
            )


def _named(settings: FirewallSettings, home: Home) -> list[NamedSet]:
    return [
        each for each in settings.sets if (each.family, each.table) == (home.family, home.table)
    ]


def shape(named: NamedSet) -> tuple[int, str]:
    """The type of its keys, for the kernel and for people."""
    parts = (*[_TYPES[named.version]] * (2 if named.to else 1), *_SERVICE)
    number = 0
    for kind, _ in parts:
        number = number << _BITS | kind
    return number, " . ".join(name for _, name in parts)


def _lacking(named: NamedSet, seen: SetSeen) -> str:
    """Why openings cannot be put in; empty: they can."""
    if seen.is_map:
        return "it is a map"
    if seen.key != shape(named)[0]:
        return f"its type is not {shape(named)[1]}"
    return "" if seen.timeouts else "it does not have the flag timeout"
