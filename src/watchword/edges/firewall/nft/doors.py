"""Doors that the kernel follows by itself: chains and sets of our own table.

In here: values in, text for ``nft -f -`` out, for all doors together. Not in here: the chains of
one of them (one_door), running it (backend), whom it let in (knocked), what is heard of it
(edges.capture.door_log).

For each door and IP version there is a set of those who are under way, whose elements end with the
time that a sequence may take, and one for each stage beyond the first; who is in the first and in
none of the others has made one knock. A right knock moves its sender on, a wrong one takes him out
of all of them, and the last one puts him among those whom the guard lets in. What counts as a
knock, as a wrong one and as none is what ``recognise.doors`` says, for all doors of the kernel's
together; the contract's tests hold the two against each other.

The chain stands before everything else that sees packets, as a capture does: neither reassembled
nor filtered. What goes wrong for want of room, a full set, is a knock that did not happen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from watchword.edges.firewall.nft.layout import Hook
from watchword.edges.firewall.nft.one_door import ADDRESS, Chain, OneDoor, group, opened
from watchword.errors import Place
from watchword.model.doors import OpenServices
from watchword.model.firewalls import FirewallSettings

PRIORITY: Final = -450  # before fragments are put together (-400), as a capture sees them
CHAIN: Final = "doors_"
"""What the names of the base chain begin with; no chain of another kind does."""
SIZE: Final = 65_536
"""Senders in one set."""
_TYPE: Final = {4: "ipv4_addr", 6: "ipv6_addr"}
_NOBODY: Final = {4: "0.0.0.0, 224.0.0.0/3", 6: "::, ff00::/8"}


def digest(settings: FirewallSettings) -> str:
    """What names chains and sets after the doors: others have other names."""
    nowhere = Place("", 0)
    doors = [replace(each, place=nowhere) for each in settings.doors]
    whole = (
        doors, settings.door_interfaces, settings.door_versions, settings.door_barred,
        PRIORITY, SIZE, group(settings),
    )  # fmt: skip
    return hashlib.blake2s(repr(whole).encode(), digest_size=4).hexdigest()


def sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    found: dict[str, str] = {}
    name = digest(settings)
    for version in settings.door_versions if settings.doors else ():
        what = f"type {_TYPE[version]}; flags dynamic, timeout; size {SIZE}; gc-interval 1s;"
        for door in settings.doors:
            compiled = OneDoor(settings, name, door, version)
            found.update(dict.fromkeys(compiled.all_sets, what))
            found[opened(name, door, version)] = what
    return found


def rules(settings: FirewallSettings) -> Iterator[tuple[str, str]]:
    """Those by which the guard lets in whom a door opened for, each with its comment."""
    name = digest(settings)
    for door in settings.doors:
        if isinstance(door.action, OpenServices):
            listed = ", ".join(f"{each.proto} . {each.port}" for each in door.action.services)
            for version in settings.door_versions:
                who = f"{ADDRESS[version]} saddr @{opened(name, door, version)}"
                yield f"{who} meta l4proto . th dport {{ {listed} }} accept", "knocked"


def chains(settings: FirewallSettings) -> list[Chain]:
    """All of them, the base chain first; none without doors."""
    if not settings.doors:
        return []
    name = digest(settings)
    found = [Chain(f"{CHAIN}{name}", tuple(_base(settings, name)), Hook(0, PRIORITY, 1))]
    for version in settings.door_versions:
        found += _of_version(settings, name, version)
    return found


def script(settings: FirewallSettings, table: str) -> Iterator[str]:
    """Lines that make the chains; the sets have to be there. Chains that stand are made anew."""
    made = chains(settings)
    for chain in made:
        where = ""
        if chain.hook is not None:
            where = f" {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}"
        yield f"add chain {table} {chain.name}{where}"
        yield f"flush chain {table} {chain.name}"
    for chain in made:
        for rule, comment in chain.rules:
            yield f'add rule {table} {chain.name} {rule} comment "{comment}"'


def resting(settings: FirewallSettings, table: str) -> str:
    """A script after which no knock is followed any more."""
    return f"flush chain {table} {CHAIN}{digest(settings)}\n" if settings.doors else ""


def _base(settings: FirewallSettings, name: str) -> Iterator[tuple[str, str]]:
    if settings.door_interfaces:
        named = ", ".join(f'"{each}"' for each in settings.door_interfaces)
        yield f"iifname != {{ {named} }} return", "not listened on"
    yield "meta l4proto != { tcp, udp } return", "no knock"
    for version in settings.door_versions:
        # behind extension headers there are no knocks, for captures either
        bare = " ip6 nexthdr { tcp, udp }" if version == 6 else ""
        yield f"meta nfproto ipv{version}{bare} goto hear{version}_{name}", "knocks"


def _of_version(settings: FirewallSettings, name: str, version: int) -> Iterator[Chain]:
    doors = [
        OneDoor(settings, name, each, version)
        for each in settings.doors
        if each.target is None or each.target.version == version
    ]
    heard, judged, begun = (f"{what}{version}_{name}" for what in ("heard", "judge", "begin"))
    barred = [str(each) for each in settings.door_barred if each.version == version]
    nobody = ", ".join([_NOBODY[version], *barred])
    first = [(f"{ADDRESS[version]} saddr {{ {nobody} }} return", "nobody's knocks")]
    first += _rules(doors, lambda door: door.hearing(heard))
    first += _rules(doors, lambda door: door.minding())
    yield Chain(f"hear{version}_{name}", tuple(first))
    concerned = [
        (f"{each.under_way} {each.reach} goto {judged}", each.comment)
        for each in doors
        if each.long
    ]
    yield Chain(heard, (*concerned, (f"goto {begun}", "the first knock of an attempt")))
    yield Chain(judged, tuple(_rules(doors, lambda door: door.judging())))
    yield Chain(begun, tuple(_rules(doors, lambda door: door.beginning())))
    for each in doors:
        yield from each.chains()


def _rules(
    doors: Sequence[OneDoor], of: Callable[[OneDoor], Iterator[str]]
) -> list[tuple[str, str]]:
    return [(rule, door.comment) for door in doors for rule in of(door)]
