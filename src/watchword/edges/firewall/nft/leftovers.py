"""Pieces of ours that stand where the settings name no place for them any more.

In here: finding rules that call chains of ours from chains that are named no longer, and the text
that takes them out, with the chains and maps that nobody uses then.
Not in here: what is to stand (jump), the rest of what we see of the kernel (survey).

What another server has claimed is its own, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from watchword.edges.firewall.nft.jump import CHAIN, FORWARD, MARK, OUTPUT, removal
from watchword.edges.firewall.nft.layout import FAMILIES, Call, Home, Structure
from watchword.edges.firewall.nft.netlink import Netlink
from watchword.edges.firewall.nft.places import is_free
from watchword.edges.firewall.nft.survey import Placed, every_rule, maps_of
from watchword.model.firewalls import JumpFrom

_NAMES = (CHAIN, FORWARD, OUTPUT)
_FAMILY = {number: name for name, number in FAMILIES.items()}


def leftovers(netlink: Netlink, structure: Structure) -> str:
    """A script that removes them; empty: there are none. Raises HostError."""
    calling = [each for each in every_rule(netlink) if each.rule.jumps_to in _NAMES]
    idle = [each for each in calling if _is_idle(each, structure)]
    idle = [each for each in idle if is_free(_home(each))]
    used = {(_home(each), each.rule.jumps_to) for each in calling if each not in idle}
    used |= {(home, each.name) for each in structure.chains for home in [_plain(each.home)]}
    chains = dict.fromkeys((_home(each), each.rule.jumps_to) for each in idle)
    unused = [each for each in chains if each not in used]
    maps = [
        *_maps(netlink, (home for home, _ in unused), {home for home, _ in used}),
        *_ways_out(netlink, structure),
    ]
    return removal([(_call(each), each.rule.handle) for each in idle], unused, dict.fromkeys(maps))


def _ways_out(netlink: Netlink, structure: Structure) -> Iterator[tuple[Home, str]]:
    """Maps of openings for answers alone, where every opening lets them out now, or none does."""
    idle = dict.fromkeys(map(_plain, structure.tables))
    for home in (each for each in idle if each not in map(_plain, structure.answers)):
        yield from ((home, name) for name in maps_of(netlink, home, f"{CHAIN}_answers"))


def _is_idle(placed: Placed, structure: Structure) -> bool:
    return (
        placed.rule.comment == MARK
        and placed.family in _FAMILY
        and _call(placed) not in structure.calls
    )


def _call(placed: Placed) -> Call:
    caller = JumpFrom(_FAMILY[placed.family], placed.table, placed.chain)
    return Call(caller, placed.rule.jumps_to)


def _home(placed: Placed) -> Home:
    return Home(_FAMILY.get(placed.family, ""), placed.table)


def _plain(home: Home) -> Home:
    return Home(home.family, home.table)


def _maps(netlink: Netlink, homes: Iterable[Home], used: set[Home]) -> Iterator[tuple[Home, str]]:
    for home in dict.fromkeys(homes):
        if home not in used:
            for beginning in (f"{CHAIN}_open", f"{CHAIN}_answers"):
                yield from ((home, name) for name in maps_of(netlink, home, beginning))
