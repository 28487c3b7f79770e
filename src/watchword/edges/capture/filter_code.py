"""From what a capture filter asks to a program for the kernel.

In here: code for each test of model.filters, and finding the headers.
Not in here: whether a payload looks like a packet of ours, and the whole
program (sieve_code), the form of programs (wire.bpf), the words of filters
(dialects.pcap_filter).

The programs are for packets from their network header on, as sockets of the
"cooked" kind see them on every link. One or two VLAN tags that the kernel left
in front are stepped over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from watchword.model.filters import (
    All,
    Any,
    Direction,
    Filter,
    FlagsAre,
    HostIs,
    LengthIs,
    Not,
    PortIs,
    ProtocolIs,
)
from watchword.wire import bpf
from watchword.wire.bpf import Assembler, Label

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_MOST_TAGS: Final = 2
_FRAGMENT: Final = 44
_TCP: Final = 6
_FLAGS: Final = 13
"""Offset in a TCP header."""
# Cells of the program's memory.
NETWORK, TRANSPORT, VERSION, PAYLOAD = 0, 1, 2, 3
_Compare: TypeAlias = Callable[[int, Label, Label], None]
"""Code that compares what stands at an offset."""


class FilterCode(Assembler):
    """A program under way."""

    def find_headers(self, dropped: Label) -> None:
        """Keep where the IP header is, of which version, and where its payload begins."""
        found, four, six = Label(), Label(), Label()
        self.add(bpf.LDX_NUMBER, 0)
        self.add(bpf.LD_H, bpf.ETHERTYPE)
        for tags in range(_MOST_TAGS):
            tagged = Label()
            self.any_of(_TAGS, tagged, found)
            self.here(tagged)
            self.add(bpf.LD_H, 4 * tags + 2)
            self.add(bpf.LDX_NUMBER, 4 * tags + 4)
        self.here(found)
        self.add(bpf.KEEP_X, NETWORK)
        rest, done = Label(), Label()
        self.jump(bpf.EQUAL, _IPV4, four, rest)
        self.here(rest)
        self.jump(bpf.EQUAL, _IPV6, six, dropped)
        self.here(four)
        self.add(bpf.LD_NUMBER, 4)
        self.add(bpf.KEEP, VERSION)
        self.add(bpf.LD_B_X, 0)
        self.add(bpf.AND, 15)
        self.add(bpf.LSH, 2)
        self.add(bpf.ADD | bpf.WITH_X)
        self.add(bpf.KEEP, TRANSPORT)
        self.go(done)
        self.here(six)
        self.add(bpf.LD_NUMBER, 6)
        self.add(bpf.KEEP, VERSION)
        self.add(bpf.TO_A)
        self.add(bpf.ADD, 40)
        self.add(bpf.KEEP, TRANSPORT)
        self.here(done)

    def test(self, wanted: Filter, yes: Label, no: Label) -> None:
        match wanted:
            case All(tests):
                self._each(tests, yes, no, stops_at=False)
            case Any(tests):
                self._each(tests, yes, no, stops_at=True)
            case Not(test):
                self.test(test, no, yes)
            case ProtocolIs(versions, protocol):
                self._protocol(versions, protocol, yes, no)
            case PortIs():
                self._port(wanted, yes, no)
            case HostIs():
                self._host(wanted, yes, no)
            case FlagsAre(wanted_flags, unwanted):
                self._flags(wanted_flags, unwanted, yes, no)
            case LengthIs(least, most):
                self._length(least, most, yes, no)
            case _:
                assert_never(wanted)

    def _each(self, tests: tuple[Filter, ...], yes: Label, no: Label, *, stops_at: bool) -> None:
        """One after the other, until one says what settles it."""
        *others, last = tests
        for each in others:
            further = Label()
            self.test(each, *((yes, further) if stops_at else (further, no)))
            self.here(further)
        self.test(last, yes, no)

    def any_of(self, numbers: tuple[int, ...], yes: Label, no: Label) -> None:
        """Whether A is one of these."""
        *others, last = numbers
        for number in others:
            further = Label()
            self.jump(bpf.EQUAL, number, yes, further)
            self.here(further)
        self.jump(bpf.EQUAL, last, yes, no)

    def is_version(self, version: int, yes: Label, no: Label) -> None:
        self.add(bpf.LD_KEPT, VERSION)
        self.jump(bpf.EQUAL, version, yes, no)

    def load(self, code: int, cell: int, offset: int) -> None:
        """A from a place behind one of the places that are kept."""
        self.add(bpf.LDX_KEPT, cell)
        self.add(code, offset)

    def _by_version(self, versions: frozenset[int], four: Label, six: Label, no: Label) -> None:
        other = Label()
        self.is_version(4, four if 4 in versions else no, other)
        self.here(other)
        self.is_version(6, six if 6 in versions else no, no)

    def _protocol(
        self, versions: frozenset[int], protocol: int | None, yes: Label, no: Label
    ) -> None:
        if protocol is None:
            self._by_version(versions, yes, yes, no)
            return
        four, six, fragment, further = Label(), Label(), Label(), Label()
        self._by_version(versions, four, six, no)
        self.here(four)
        self.load(bpf.LD_B_X, NETWORK, 9)
        self.jump(bpf.EQUAL, protocol, yes, no)
        self.here(six)
        self.load(bpf.LD_B_X, NETWORK, 6)
        self.jump(bpf.EQUAL, protocol, yes, further)
        self.here(further)
        self.jump(bpf.EQUAL, _FRAGMENT, fragment, no)
        self.here(fragment)
        self.load(bpf.LD_B_X, NETWORK, 40)
        self.jump(bpf.EQUAL, protocol, yes, no)

    def _port(self, wanted: PortIs, yes: Label, no: Label) -> None:
        four, six, ports, whole = Label(), Label(), Label(), Label()
        protocols = tuple(sorted(wanted.protocols))
        self._by_version(wanted.versions, four, six, no)
        self.here(four)
        self.load(bpf.LD_B_X, NETWORK, 9)
        self.any_of(protocols, whole, no)
        self.here(whole)
        self.load(bpf.LD_H_X, NETWORK, 6)
        self.jump(bpf.BITS, 0x1FFF, no, ports)
        self.here(six)
        self.load(bpf.LD_B_X, NETWORK, 6)
        self.any_of(protocols, ports, no)
        self.here(ports)

        def compare(offset: int, yes: Label, no: Label) -> None:
            high = Label()
            self.load(bpf.LD_H_X, TRANSPORT, offset)
            self.jump(bpf.GREATER_EQUAL, wanted.first, high, no)
            self.here(high)
            self.jump(bpf.GREATER, wanted.last, no, yes)

        self._ends(wanted, (0, 2), compare, yes, no)

    def _host(self, wanted: HostIs, yes: Label, no: Label) -> None:
        version, here = wanted.network.version, Label()
        self.is_version(version, here, no)
        self.here(here)
        address = wanted.network.network_address.packed
        mask = wanted.network.netmask.packed

        def compare(offset: int, yes: Label, no: Label) -> None:
            for at in range(0, len(address), 4):
                bits = int.from_bytes(mask[at : at + 4], "big")
                if not bits:
                    break
                further = Label()
                self.load(bpf.LD_W_X, NETWORK, offset + at)
                self.add(bpf.AND, bits)
                self.jump(bpf.EQUAL, int.from_bytes(address[at : at + 4], "big"), further, no)
                self.here(further)
            self.go(yes)

        self._ends(wanted, (12, 16) if version == 4 else (8, 24), compare, yes, no)

    def _ends(
        self, wanted: PortIs | HostIs, at: tuple[int, int], compare: _Compare, yes: Label, no: Label
    ) -> None:
        """Whether what stands at the source's place or the destination's, or both, compares."""
        source, destination = at
        further = Label()
        match wanted.direction:
            case Direction.SOURCE:
                compare(source, yes, no)
            case Direction.DESTINATION:
                compare(destination, yes, no)
            case Direction.EITHER:
                compare(source, yes, further)
                self.here(further)
                compare(destination, yes, no)
            case Direction.BOTH:
                compare(source, further, no)
                self.here(further)
                compare(destination, yes, no)

    def _flags(self, wanted: int, unwanted: int, yes: Label, no: Label) -> None:
        segment = Label()
        either = frozenset({4, 6})
        self.test(PortIs(0, 65535, frozenset({_TCP}), either, Direction.DESTINATION), segment, no)
        self.here(segment)
        self.load(bpf.LD_B_X, TRANSPORT, _FLAGS)
        self.add(bpf.AND, wanted | unwanted)
        self.jump(bpf.EQUAL, wanted, yes, no)

    def _length(self, least: int, most: int, yes: Label, no: Label) -> None:
        further = Label()
        self.add(bpf.LD_LENGTH)
        self.jump(bpf.GREATER_EQUAL, least, further, no)
        self.here(further)
        self.jump(bpf.GREATER, most, no, yes)
