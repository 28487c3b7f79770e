"""Openings for a counted number of connections: sets, chains and elements.

In here: the text, and both directions of the elements' keys.
Not in here: whole addresses (guard, elements), changes (openings), how many there are
(grant.ledger). No I/O. Why it is made like this, and what it withstands: decision record 43.

For each connection that an opening is good for there is a ticket, and a door that it opens. A SYN
goes on while there is a door, and its connection is labelled as pending. What its caller sends
after that has to take a ticket first; whoever takes it takes the door away. So a SYN that was lost,
refused or never followed up costs nothing, and no more connections come about than there are
tickets. A ticket has a limit of one packet for ever, which the kernel keeps under a lock: two
packets cannot take the same one. For UDP the first packet takes it, since there may be no second.

Labels are of connection tracking, so they end with the connection that they are about, and nothing
has to be remembered of strangers. Tickets of one door are told apart by a number that the rules
write into the packet's priority while they look: a key cannot have a constant in it, and nothing
reads the priority of what arrives.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from watchword.edges.firewall.nft.elements import Place, Slot, opening_element, token
from watchword.edges.firewall.nft.elements import hole as whole_hole
from watchword.edges.firewall.nft.elements import key as whole_key
from watchword.edges.firewall.nft.layout import PASS_SIZE, SET_SIZE, ExpectedChain, Home
from watchword.model.firewalls import FirewallSettings
from watchword.model.openings import MOST_TICKETS, ON_TICKETS, Hole, Tag, tickets

COUNTED, DOOR, TICKET = "counted", "door", "ticket"
"""Sets: who has tickets; where a connection may begin; what it takes to go on."""
PROOF, LOOK, SHOWN = "proof", "tickets", "ticketed"
"""Chains: for who has begun; for who begins; where it is made sure that the label holds."""
LATE: Final = 5.0
"""Seconds after its door's end that a ticket is good for who had begun before."""
PENDING, PROVEN = 126, 127
"""Bits of a connection's label."""
_ADDRESS = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}
_SERVICE = "meta l4proto . th dport"
_NUMBER = struct.Struct("=I")  # the kernel keeps a priority in the machine's order
_NUMBERS = range(1, MOST_TICKETS + 1)
_FORGET = "meta priority set 0"
# Not syn | ack: a SYN of a connection that was answered is sent again.
_SYN = "tcp flags & (fin | syn | rst | ack) == syn"


class _Kind(NamedTuple):
    version: int
    to: bool

    @property
    def suffix(self) -> str:
        return f"{self.version}{'_to' if self.to else ''}"

    @property
    def key(self) -> str:
        address = _ADDRESS[self.version]
        where = f" . {address} daddr" if self.to else ""
        return f"{address} saddr{where} . {_SERVICE}"

    @property
    def type(self) -> str:
        address = _TYPE[self.version]
        where = f" . {address}" if self.to else ""
        return f"type {address}{where} . inet_proto . inet_service"


_KINDS = tuple(_Kind(v, to) for v in (4, 6) for to in (False, True))


def sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    found = {}
    for kind in _KINDS if settings.counts else ():
        limit = f"flags timeout, dynamic; size {PASS_SIZE};"
        found[f"{COUNTED}{kind.suffix}"] = f"{kind.type}; flags timeout; size {SET_SIZE};"
        found[f"{DOOR}{kind.suffix}"] = f"{kind.type} . classid; {limit}"
        once = "limit rate 1/week burst 1 packets;"
        found[f"{TICKET}{kind.suffix}"] = f"{kind.type} . classid; {limit} {once}"
    return found


def begun(settings: FirewallSettings) -> Iterator[tuple[str, str]]:
    """What stands before the rule that lets connections go on, each with its comment."""
    if settings.counts:
        yield f"ct label {PENDING} ct direction original jump {PROOF}", "has to show a ticket"


def granted(settings: FirewallSettings) -> Iterator[tuple[str, str]]:
    """What lets new connections in to this host, each with its comment."""
    for kind in _KINDS if settings.counts else ():
        for rule in admitting(kind.version, f"{COUNTED}{kind.suffix}", "accept", to=kind.to):
            yield rule, "granted by the number"


def admitting(version: int, name: str, then: str, *, to: bool) -> Iterator[str]:
    """Rules that do something for new connections of who is in a set and has a ticket."""
    kind = _Kind(version, to)
    yield f"{kind.key} @{name} jump {LOOK}{kind.suffix}"
    yield f"{kind.key} @{name} meta priority != 0 {_FORGET} {then}"


def chains(settings: FirewallSettings) -> dict[str, list[str]]:
    """The rules of each chain, by name, in the order in which they can be made."""
    if not settings.counts:
        return {}
    found = {f"{PROOF}{v}": list(_taking(v)) for v in (4, 6)}
    found[PROOF] = [
        f"ct label {PROVEN} return",
        "tcp flags & (syn | ack) == syn return",  # once more; as if it were new
        "tcp flags & rst == rst return",
        *(f"meta nfproto ipv{v} jump {PROOF}{v}" for v in (4, 6)),
        f"{_FORGET} drop",
    ]
    # Where the kernel has no room for the label, nobody is let in.
    found[SHOWN] = [f"ct label {PENDING} return", f"ct label {PROVEN} return", _FORGET]
    for kind in _KINDS:
        found[f"{LOOK}{kind.suffix}_udp"] = list(_at_once(kind))
        found[f"{LOOK}{kind.suffix}"] = list(_beginning(kind))
    return found


def _numbered(kind: _Kind) -> Iterator[tuple[str, str, str]]:
    """For each number: what writes it, the key with it, and what takes the door away."""
    key = f"{kind.key} . meta priority"
    away = f"delete @{DOOR}{kind.suffix} {{ {key} }}"
    for number in _NUMBERS:
        yield f"meta priority set {number}", key, away


def _taking(version: int) -> Iterator[str]:
    for kind in (each for each in _KINDS if each.version == version):
        for write, key, away in _numbered(kind):
            taken = f"{write} {key} @{TICKET}{kind.suffix} {away}"
            yield f"{taken} ct label set {PROVEN} {_FORGET} accept"


def _at_once(kind: _Kind) -> Iterator[str]:
    yield f"ct label {PROVEN} meta priority set 1 return"  # sent again before there was an answer
    for write, key, away in _numbered(kind):
        yield f"{write} {key} @{TICKET}{kind.suffix} {away} ct label set {PROVEN} goto {SHOWN}"
    yield _FORGET


def _beginning(kind: _Kind) -> Iterator[str]:
    yield _FORGET
    yield f"meta l4proto udp goto {LOOK}{kind.suffix}_udp"
    yield f"ct label {PROVEN} return"
    yield f"{_SYN.replace('==', '!=')} return"
    yield from _laden(kind.version)
    for write, key, _ in _numbered(kind):
        yield f"{write} {key} @{DOOR}{kind.suffix} ct label set {PENDING} goto {SHOWN}"
    yield _FORGET


def _laden(version: int) -> Iterator[str]:
    """A SYN that brings data along (TCP Fast Open) is lost: the service would hear that, and
    answer, before there is a connection that could be counted. Its sender tries again without."""
    header = {4: 20, 6: 40}[version]
    for words in range(5, 16):
        yield f"tcp doff {words} meta length > {header + 4 * words} drop"


def _comment(settings: FirewallSettings) -> str:
    """Names the content of everything here."""
    whole = repr((chains(settings), sets(settings)))
    return f"tickets ({hashlib.blake2s(whole.encode(), digest_size=4).hexdigest()})"


def expected(settings: FirewallSettings, home: Home) -> tuple[ExpectedChain, ...]:
    """The chains that ``script`` makes."""
    comment = _comment(settings)
    return tuple(
        ExpectedChain(home, name, (comment,) * len(rules))
        for name, rules in chains(settings).items()
    )


def script(settings: FirewallSettings, home: Home) -> list[str]:
    """Lines that make all of it, to stand before the rules that look into it."""
    comment, found = _comment(settings), chains(settings)
    lines = [f"add set {home} {name} {{ {what} }}" for name, what in sets(settings).items()]
    for name in found:
        lines += [f"add chain {home} {name}", f"flush chain {home} {name}"]
    for name, rules in found.items():
        lines += [f'add rule {home} {name} {rule} comment "{comment}"' for rule in rules]
    return lines


class Tickets:
    """Where openings by the number are, in our own table."""

    def __init__(self, home: Home, settings: FirewallSettings) -> None:
        self._home = home
        kinds = _KINDS if settings.counts else ()
        self._counted = {kind: self._place(COUNTED, kind) for kind in kinds}
        self._tickets = {kind: self._place(TICKET, kind) for kind in kinds}
        self._doors = {self._place(TICKET, kind): self._place(DOOR, kind) for kind in kinds}

    @property
    def places(self) -> Iterator[Place]:
        """Every set that has openings of the kind."""
        yield from self._counted.values()
        yield from self._tickets.values()

    @property
    def door_places(self) -> Iterator[Place]:
        """The sets that have the doors, which whoever takes a ticket takes out."""
        yield from self._doors.values()

    def slots(self, hole: Hole) -> list[Slot]:
        """Where it is: first what has its name (``copies``), then doors, which may be gone; none:
        there is no set for it."""
        kind = _Kind(hole.who.version, hole.destination is not None)
        key = whole_key(hole.door)
        if hole.ticket < 0:
            return [Slot(self._counted[kind], key)] if kind in self._counted else []
        if kind not in self._tickets:
            return []
        place = self._tickets[kind]
        keys = [key + _NUMBER.pack(each) for each in hole.numbers]
        return [Slot(each, key) for each in (place, self._doors[place]) for key in keys]

    def copies(self, hole: Hole) -> int:
        """How many elements have its name; 0: there is no set for it."""
        kind = _Kind(hole.who.version, hole.destination is not None)
        if kind not in self._tickets:
            return 0
        return 1 if hole.ticket < 0 else len(hole.numbers)

    def doors(self, hole: Hole) -> list[Slot]:
        return self.slots(hole)[self.copies(hole) :] if hole.ticket > 0 else []

    @staticmethod
    def joined(holes: Sequence[Hole]) -> Hole:
        """What elements of one name stand for."""
        numbers = sorted(each.ticket for each in holes)
        if numbers[0] < 1:
            return holes[0]
        return holes[0]._replace(ticket=tickets(numbers[0], len(numbers)))

    def elements(self, hole: Hole, seconds: float, tag: Tag) -> Iterator[tuple[Slot, bytes]]:
        """All that it consists of at first. ``seconds`` from now, more than 0."""
        slots, named = self.slots(hole), self.copies(hole)
        for slot in slots[:named]:
            late = self.late(slot.place)
            yield slot, opening_element(slot.place, slot.key, seconds + late, tag)
        for slot in slots[named:]:
            yield slot, token(slot.key, seconds)

    def hole(self, place: Place, key: bytes) -> Hole | None:
        """What a key in one of these sets stands for; None: nothing of ours."""
        if place not in self._doors:
            found = whole_hole(key)
            return found and found._replace(ticket=ON_TICKETS)
        found, (number,) = whole_hole(key[:-4]), _NUMBER.unpack(key[-4:])
        if found is None or number not in _NUMBERS:
            return None
        return found._replace(ticket=number)

    def late(self, place: Place) -> float:
        """Seconds by which elements there outlast their openings."""
        return LATE if place in self._doors else 0.0

    def _place(self, name: str, kind: _Kind) -> Place:
        return Place(self._home.number, self._home.table, f"{name}{kind.suffix}")
