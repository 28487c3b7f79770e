"""Doors that the kernel follows by itself: chains and sets of our own table.

In here: values in, text for ``nft -f -`` out, and the names in it. Not in here: running it
(backend), whom it let in (knocked), what is heard of it (edges.capture.door_log).

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
from typing import Final, NamedTuple

from watchword.edges.firewall.nft.layout import Hook
from watchword.errors import Place
from watchword.model.doors import TCP, UDP, Door, OpenServices
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Proto, Service

PRIORITY: Final = -450  # before fragments are put together (-400), as a capture sees them
CHAIN: Final = "doors_"
"""What the names of the base chain begin with; no chain of another kind does."""
SIZE: Final = 65_536
"""Senders in one set."""
PREFIX: Final = "ww:"
SPOILT: Final = 0
SNAP: Final = 40
"""Bytes of a packet that are told: both addresses of an IPv6 header are among them."""
_LINES: Final = "limit rate 200/second burst 200 packets"
_OPENINGS: Final = "limit rate 1000/second burst 1000 packets"
_ADDRESS: Final = {4: "ip", 6: "ip6"}
_TYPE: Final = {4: "ipv4_addr", 6: "ipv6_addr"}
_NOBODY: Final = {4: "0.0.0.0, 224.0.0.0/3", 6: "::, ff00::/8"}
_SYN, _ACK = 2, 16


class Chain(NamedTuple):
    """A chain of ours, with each rule and its comment."""

    name: str
    rules: tuple[tuple[str, str], ...]
    hook: Hook | None = None


def digest(settings: FirewallSettings) -> str:
    """What names chains and sets after the doors: others have other names."""
    nowhere = Place("", 0)
    doors = [replace(each, place=nowhere) for each in settings.doors]
    whole = (
        doors, settings.door_interfaces, settings.door_versions, settings.door_barred,
        PRIORITY, SIZE, group(settings),
    )  # fmt: skip
    return hashlib.blake2s(repr(whole).encode(), digest_size=4).hexdigest()


def group(settings: FirewallSettings) -> int:
    """Of the kernel's log; each table of ours has its own."""
    name = hashlib.blake2s(settings.table.encode(), digest_size=2).digest()
    return int.from_bytes(name, "big") | 0x8000


def opened(name: str, door: Door, version: int) -> str:
    """The set of those whom a door let in. ``name``: the digest, made once for all doors."""
    return f"door{door.number}_open{version}_{name}"


def sets(settings: FirewallSettings) -> dict[str, str]:
    """Definition of each set, by name."""
    found: dict[str, str] = {}
    name = digest(settings)
    for version in settings.door_versions if settings.doors else ():
        what = f"type {_TYPE[version]}; flags dynamic, timeout; size {SIZE}; gc-interval 1s;"
        for door in settings.doors:
            compiled = _Compiled(settings, name, door, version)
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
                who = f"{_ADDRESS[version]} saddr @{opened(name, door, version)}"
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
        _Compiled(settings, name, each, version)
        for each in settings.doors
        if each.target is None or each.target.version == version
    ]
    heard, judged, begun = (f"{what}{version}_{name}" for what in ("heard", "judge", "begin"))
    barred = [str(each) for each in settings.door_barred if each.version == version]
    nobody = ", ".join([_NOBODY[version], *barred])
    first = [(f"{_ADDRESS[version]} saddr {{ {nobody} }} return", "nobody's knocks")]
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
    doors: Sequence[_Compiled], of: Callable[[_Compiled], Iterator[str]]
) -> list[tuple[str, str]]:
    return [(rule, door.comment) for door in doors for rule in of(door)]


class _Compiled:
    """One door for one IP version."""

    def __init__(self, settings: FirewallSettings, name: str, door: Door, version: int) -> None:
        self._door = door
        self._digest = name
        self._version = version
        self._open = opened(name, door, version)
        self._group = group(settings)
        self._source = f"{_ADDRESS[version]} saddr"
        self._live, self._step = self._named("live"), self._named("step")
        self._seconds = door.action.seconds if isinstance(door.action, OpenServices) else 0
        self.comment = f"door {door.number}"
        self.reach = self._reaching(bool(settings.door_interfaces))
        """Sent to where the door listens."""

    def _named(self, what: str) -> str:
        """A set, or a chain."""
        return f"door{self._door.number}_{what}{self._version}_{self._digest}"

    def _reaching(self, named: bool) -> str:
        if self._door.target is not None:
            return f"{_ADDRESS[self._version]} daddr {self._door.target}"
        return f"fib daddr{' . iif' if named else ''} type local"

    @property
    def long(self) -> bool:
        """Whether there is anything between the first knock and the last."""
        return len(self._door.sequence) > 1

    @property
    def _stages(self) -> dict[int, str]:
        """The set of those who have made so many knocks, from the second on."""
        return {k: self._named(f"at{k}_") for k in range(2, len(self._door.sequence))}

    @property
    def all_sets(self) -> list[str]:
        steps = [self._step] if self._door.care.step_timeout is not None else []
        live = [self._live] if self.long else []
        return [*live, *steps, *self._stages.values()]

    @property
    def under_way(self) -> str:
        """Sent by somebody who has begun, and whose time is not up."""
        step = f" {self._source} @{self._step}" if self._door.care.step_timeout is not None else ""
        return f"{self._source} @{self._live}{step}"

    # --- which packets count -------------------------------------------------------

    def _flags(self) -> str | None:
        """What a TCP segment's flags have to be; empty: anything; None: nothing is."""
        wanted, unwanted = int(self._door.flags.wanted), int(self._door.flags.unwanted)
        if wanted & unwanted:
            return None
        mask = wanted | unwanted
        return f"tcp flags & {mask:#x} == {wanted:#x} " if mask else ""

    def _heeded(self) -> Iterator[str]:
        """What a packet has to be for the door to look at it, of either protocol."""
        flags = self._flags()
        if flags == "":
            yield ""
            return
        yield "meta l4proto udp "
        if flags is not None:
            yield f"meta l4proto tcp {flags}"

    def hearing(self, then: str) -> Iterator[str]:
        """Packets to ports of the door that could be for it."""
        flags = self._flags()
        for proto, more in ((TCP, flags), (UDP, "")):
            ports = sorted({s.port for s in self._door.sequence if s.proto.number == proto})
            if ports and more is not None:
                name = "tcp" if proto == TCP else "udp"
                listed = ", ".join(map(str, ports))
                yield f"{name} dport {{ {listed} }} {more}{self.reach} goto {then}"

    def minding(self) -> Iterator[str]:
        """Packets to ports of no door that spoil an attempt at a strict one."""
        if not self._door.care.strict or not self.long:
            return
        who = f"{self.under_way} {self.reach} jump {self._named('spoil')}"
        yield f"tcp flags & {_SYN | _ACK:#x} == {_SYN:#x} {self._beside(Proto.TCP)}{who}"
        if any(each.proto is Proto.UDP for each in self._door.sequence):
            yield f"meta l4proto udp {self._beside(Proto.UDP)}{who}"

    def _beside(self, proto: Proto) -> str:
        ports = sorted(each.port for each in self._door.care.besides if each.proto is proto)
        return f"{proto} dport != {{ {', '.join(map(str, ports))} }} " if ports else ""

    def judging(self) -> Iterator[str]:
        """What is a knock goes to everybody's attempt."""
        if self.long:
            for heeded in self._heeded():
                yield f"{heeded}{self.under_way} {self.reach} jump {self._named('at')}"

    def beginning(self) -> Iterator[str]:
        first = self._door.sequence[0]
        flags = self._flags() if first.proto is Proto.TCP else ""
        if flags is not None:
            yield f"{_spot(first)}{flags}{self.reach} jump {self._named('start')}"

    # --- what they do ---------------------------------------------------------------

    def chains(self) -> Iterator[Chain]:
        """Those that move one sender."""
        length = len(self._door.sequence)
        yield self._of("start", list(self._started()))
        if self.long:
            stages = sorted(self._stages, reverse=True)
            found = [
                f"{self._source} @{self._stages[k]} goto {self._named(f'on{k}_')}" for k in stages
            ]
            yield self._of("at", [*found, f"goto {self._named('on1_')}"])
            yield self._of("spoil", [self._forgotten(), self._log(SPOILT, _LINES)])
            for stage in range(1, length):
                yield self._of(f"on{stage}_", list(self._at(stage)))
                if stage + 1 < length:
                    yield self._of(f"to{stage + 1}_", list(self._moved(stage)))
        let_in = f"{self._source} @{self._open} {self._log(length, _OPENINGS)}"
        entered = f"update @{self._open} {{ {self._source} timeout {self._seconds}s }}"
        forgotten = [self._forgotten()] if self.long else []
        yield self._of("open", [*forgotten, entered, let_in])

    def _of(self, what: str, rules: Sequence[str]) -> Chain:
        return Chain(self._named(what), tuple((each, self.comment) for each in rules))

    def _forgotten(self) -> str:
        return " ".join(f"delete @{each} {{ {self._source} }}" for each in self.all_sets)

    def _log(self, stage: int, limit: str) -> str:
        prefix = f"{PREFIX}{self._door.number}:{stage}"
        return f'{limit} log prefix "{prefix}" group {self._group} snaplen {SNAP} queue-threshold 1'

    def _started(self) -> Iterator[str]:
        if not self.long:
            yield f"goto {self._named('open')}"
            return
        yield self._forgotten()
        yield self._added(self._live)
        yield f"{self._source} @{self._live} {self._log(1, _LINES)}"

    def _added(self, name: str) -> str:
        added = f"add @{name} {{ {self._source} timeout {self._door.seq_timeout}s }}"
        seconds = self._door.care.step_timeout
        if seconds is None:
            return added
        return f"{added} update @{self._step} {{ {self._source} timeout {seconds}s }}"

    def _at(self, stage: int) -> Iterator[str]:
        """A knock of somebody who has made so many."""
        sequence = self._door.sequence
        to = "open" if stage + 1 == len(sequence) else f"to{stage + 1}_"
        yield f"{_spot(sequence[stage])}goto {self._named(to)}"
        if self._door.care.ignore_repeats:
            yield f"{_spot(sequence[stage - 1])}return"
        yield f"goto {self._named('spoil')}"

    def _moved(self, stage: int) -> Iterator[str]:
        after, before = self._stages[stage + 1], self._stages.get(stage)
        gone = f" delete @{before} {{ {self._source} }}" if before else ""
        yield self._added(after) + gone
        yield f"{self._source} @{after} {self._log(stage + 1, _LINES)}"


def _spot(service: Service) -> str:
    return f"{service.proto} dport {service.port} "
