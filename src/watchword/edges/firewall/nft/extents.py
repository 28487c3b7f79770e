"""Openings for a part of an address or for the network around it: sets, rules and elements.

In here: the text, and both directions of the elements' keys.
Not in here: whole addresses (guard, elements), changes (openings). No I/O.

A prefix is one element of a set for its length, under the masked address: a hash, as for single
addresses, and not the kernel's set of ranges, where ranges of two lengths may not overlap and
adding one costs more the more there are.

Where only the first address that connects is let in, a second set has a token for the prefix, whose
element has a limit of its own: it lets one packet pass, whichever processor sees it, which takes it
away (the limit alone would let the next one pass in a week), and whose address is noted in a third
set. From then on the note counts, with the opening, so that packets that are sent again come in. A
renewal brings no token; what is left of both is taken away before the next opening for that prefix
begins.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import NamedTuple

from watchword.edges.firewall.nft.elements import Place, Slot, token
from watchword.edges.firewall.nft.elements import hole as whole_hole
from watchword.edges.firewall.nft.elements import key as whole_key
from watchword.edges.firewall.nft.layout import PASS_SIZE, SET_SIZE, Home
from watchword.model.addresses import Address
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import Extent, Hole
from watchword.model.services import Proto, Service

BOUND, NETWORK, NEAR, FIRST, CAME = "bound", "net", "near", "first", "came"
_KEPT = "100d"  # longer than any opening; they are taken away with it
_KEPT_SECONDS = 100 * 86400.0
_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
_PROTOS = {each.number: each for each in Proto}
_SERVICE = "meta l4proto . th dport"
_ENDS = struct.Struct("!B3xH2xH2x")


class Group(NamedTuple):
    """What the elements of one set stand for."""

    version: int
    to: bool = False
    """True: the keys of what is bound to a port have a destination as well."""
    bits: int = 0
    """0: they are bound to a port."""
    first: bool = False


def sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    found = {}
    limit = f"flags timeout; size {SET_SIZE};"
    for group, name in _groups(settings).items():
        address = _TYPE[group.version]
        if not group.bits:
            ends = f"{address} . {address}" if group.to else address
            found[name] = f"type {ends} . inet_proto . inet_service . inet_service; {limit}"
            continue
        found[name] = f"type {address} . inet_proto . inet_service; {limit}"
        if group.first:
            last = f"{group.version}_{group.bits}"
            once = "limit rate 1/week burst 1 packets;"
            found[f"{FIRST}{last}"] = (
                f"type {address} . inet_proto . inet_service; "
                f"flags dynamic, timeout; size {SET_SIZE}; {once}"
            )
            found[f"{CAME}{last}"] = (
                f"type {address} . inet_proto . inet_service; "
                f"flags dynamic, timeout; timeout {_KEPT}; size {PASS_SIZE};"
            )
    return found


def rules(settings: FirewallSettings) -> Iterator[tuple[str, str]]:
    """Each rule with its comment."""
    for group, name in _groups(settings).items():
        address = _ADDRESS[group.version]
        caller = f"{address} saddr . {_SERVICE}"
        if not group.bits:
            where = f" . {address} daddr" if group.to else ""
            ends = f"{address} saddr{where} . meta l4proto . th sport . th dport"
            yield f"{ends} @{name} accept", "granted to one port"
            continue
        prefix = f"{address} saddr & {_mask(group)} . {_SERVICE}"
        if not group.first:
            yield f"{prefix} @{name} accept", "granted to a prefix"
            continue
        last = f"{group.version}_{group.bits}"
        yield f"{prefix} @{name} {caller} @{CAME}{last} accept", "was the first of its prefix"
        note = f"add @{CAME}{last} {{ {caller} }} delete @{FIRST}{last} {{ {prefix} }}"
        yield f"{prefix} @{name} {prefix} @{FIRST}{last} {note} accept", "is the first"


def _mask(group: Group) -> str:
    whole = IPv4Address(0) if group.version == 4 else IPv6Address(0)
    return str(ip_network((whole, group.bits)).netmask)


def _groups(settings: FirewallSettings) -> dict[Group, str]:
    """The name of the set for each group that there is."""
    found = {}
    for version in (4, 6) if settings.binds else ():
        found[Group(version)] = f"{BOUND}{version}"
        found[Group(version, to=True)] = f"{BOUND}{version}_to"
    for version, bits in settings.prefixes:
        found[Group(version, bits=bits)] = f"{NETWORK}{version}_{bits}"
    for version, bits in settings.firsts:
        found[Group(version, bits=bits, first=True)] = f"{NEAR}{version}_{bits}"
    return found


class Extents:
    """Where openings for parts of addresses are, in our own table."""

    def __init__(self, home: Home, settings: FirewallSettings) -> None:
        self._home = home
        self._places = {group: self._place(name) for group, name in _groups(settings).items()}
        self._back = {place: group for group, place in self._places.items()}

    @property
    def places(self) -> Iterator[Place]:
        """Every set that has openings of the kind."""
        return iter(self._back)

    def able(self, extent: Extent) -> bool:
        """Whether there are openings of that kind here at all."""
        return any(
            bool(group.bits) is bool(extent.bits) and group.first is extent.first
            for group in self._places
        )

    def slot(self, hole: Hole) -> Slot | None:
        """Where it belongs; None: there is no set for it."""
        extent = hole.extent
        if extent is None or hole.service is None:
            return None
        if extent.port:
            group = Group(hole.who.version, to=hole.destination is not None)
        else:
            group = Group(hole.who.version, bits=extent.bits, first=extent.first)
        place = self._places.get(group)
        return None if place is None else Slot(place, _key(hole, extent))

    def token(self, slot: Slot) -> tuple[Slot, bytes]:
        """What the first that connects takes: where it belongs, and the element."""
        group = self._back[slot.place]
        there = Slot(self._place(f"{FIRST}{group.version}_{group.bits}"), slot.key)
        return there, token(slot.key, _KEPT_SECONDS)

    def notes(self, slot: Slot) -> Place:
        """Where it is noted who was the first."""
        group = self._back[slot.place]
        return self._place(f"{CAME}{group.version}_{group.bits}")

    def is_note_of(self, key: bytes, slot: Slot) -> bool:
        """Whether a note is of an address of that opening's prefix, for its service."""
        group, noted = self._back[slot.place], whole_hole(key)
        if noted is None or noted.who.version != group.version:
            return False
        network = ip_network((noted.who, group.bits), strict=False).network_address
        return whole_key(noted._replace(who=network)) == slot.key

    def hole(self, place: Place, key: bytes) -> Hole | None:
        """What a key in one of these sets stands for; None: nothing of ours."""
        group = self._back[place]
        if not group.bits:
            return _bound(key, group)
        found = whole_hole(key)
        return found and found._replace(extent=Extent(bits=group.bits, first=group.first))

    def _place(self, name: str) -> Place:
        return Place(self._home.number, self._home.table, name)


def _key(hole: Hole, extent: Extent) -> bytes:
    if not extent.port:
        return whole_key(hole._replace(extent=None))
    service, to = hole.service, hole.destination
    assert service is not None  # noqa: S101  (slot has looked)
    ends = _ENDS.pack(service.proto.number, extent.port, service.port)
    return hole.who.packed + (b"" if to is None else to.packed) + ends


@lru_cache(maxsize=8)
def _sizes(group: Group) -> tuple[int, int]:
    """Bytes of an address, and of the whole key."""
    size = 4 if group.version == 4 else 16
    return size, size * (2 if group.to else 1) + _ENDS.size


def _bound(key: bytes, group: Group) -> Hole | None:
    size, length = _sizes(group)
    if len(key) != length:
        return None
    proto, own, port = _ENDS.unpack(key[-_ENDS.size :])
    if proto not in _PROTOS or not port or not own:
        return None
    family = IPv4Address if size == 4 else IPv6Address
    who: Address = family(key[:size])
    to = family(key[size : 2 * size]) if group.to else None
    return Hole(who, Service(_PROTOS[proto], port), to, extent=Extent(port=own))
