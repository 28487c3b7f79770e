"""One door that the kernel follows, for one IP version: its chains, and what leads there.

In here: which packets count for it, and what a right knock, a wrong one and the last one do; what
its sets and chains are called, and in which group of the kernel's log it is told.
Not in here: all doors together (doors), what is heard of it (edges.capture.door_log).

``live`` has those who are under way, ``at2_`` those who have made two knocks, and so on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from watchword.edges.firewall.nft.layout import Hook
from watchword.model.doors import TCP, UDP, Door, OpenServices
from watchword.model.firewalls import FirewallSettings
from watchword.model.services import Proto, Service

PREFIX: Final = "ww:"
SPOILT: Final = 0
SNAP: Final = 40
"""Bytes of a packet that are told: both addresses of an IPv6 header are among them."""
_LINES: Final = "limit rate 200/second burst 200 packets"
_OPENINGS: Final = "limit rate 1000/second burst 1000 packets"
ADDRESS: Final = {4: "ip", 6: "ip6"}
_SYN, _ACK = 2, 16


class Chain(NamedTuple):
    """A chain of ours, with each rule and its comment."""

    name: str
    rules: tuple[tuple[str, str], ...]
    hook: Hook | None = None


def group(settings: FirewallSettings) -> int:
    """Of the kernel's log; each table of ours has its own."""
    name = hashlib.blake2s(settings.table.encode(), digest_size=2).digest()
    return int.from_bytes(name, "big") | 0x8000


def opened(name: str, door: Door, version: int) -> str:
    """The set of those whom a door let in. ``name``: the digest, made once for all doors."""
    return f"door{door.number}_open{version}_{name}"


class OneDoor:
    """One door for one IP version."""

    def __init__(self, settings: FirewallSettings, name: str, door: Door, version: int) -> None:
        self._door = door
        self._digest = name
        self._version = version
        self._open = opened(name, door, version)
        self._group = group(settings)
        self._source = f"{ADDRESS[version]} saddr"
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
            return f"{ADDRESS[self._version]} daddr {self._door.target}"
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
