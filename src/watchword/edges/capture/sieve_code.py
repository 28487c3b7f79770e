"""A filter and what packets of ours look like, as one program for the kernel.

In here: the sieve: a payload of the right length whose first bytes are right
(ports.Interest), and putting both together.
Not in here: the filter's tests (filter_code), handing the program over (bpf).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.edges.capture.filter_code import NETWORK, PAYLOAD, TRANSPORT, FilterCode
from watchword.model.filters import Filter
from watchword.ports import Interest
from watchword.wire import bpf
from watchword.wire.bpf import Instruction, Label, Program
from watchword.wire.frames import EXTENSIONS, ICMP, ICMPV6, TCP, UDP

LOOKED_AT: Final = 8
"""Bytes after the first: of random ones, one in sixty thousand is of the alphabet."""
_SLACK: Final = 64
"""Bytes that a link may add behind a packet: padding, a checksum."""
_RANGES: Final = ((ord("+"), ord("+")), (ord("/"), ord("9")), (ord("A"), ord("Z")))
_LAST_RANGE: Final = (ord("a"), ord("z"))


def compile_filter(
    wanted: Filter | Program | None, interest: Interest | None, *, longest: int
) -> list[Instruction]:
    """The program that lets through what passes a filter and looks like a packet of ours.

    Args:
        wanted: The filter, or a program made elsewhere for packets from their
            IP header on; None: everything.
        interest: What a payload has to look like; None: anything.
        longest: Bytes that are kept of a packet.

    Raises ValueError if it would be longer than the kernel takes.
    """
    code = _SieveCode()
    sifting, passed, dropped = Label(), Label(), Label()
    code.find_headers(dropped)
    if isinstance(wanted, Sequence):
        code.insert(wanted, sifting, dropped)
        code.here(sifting)
        code.find_headers(dropped)  # it may have used the same memory
    elif wanted is not None:
        code.test(wanted, sifting, dropped)
        code.here(sifting)
    if interest is not None:
        code.sift(interest, passed, dropped)
    code.here(passed)
    code.add(bpf.RETURN, longest)
    code.here(dropped)
    code.add(bpf.RETURN, 0)
    return code.program()


class _SieveCode(FilterCode):
    def sift(self, interest: Interest, yes: Label, no: Label) -> None:
        """Where the payload is, how long, and its first bytes. What is hard to tell passes."""
        self._find_payload(yes, no)
        long_enough, short_enough = Label(), Label()
        self.add(bpf.LDX_KEPT, PAYLOAD)
        self.add(bpf.LD_LENGTH)
        self.add(bpf.SUB | bpf.WITH_X)
        self.jump(bpf.GREATER_EQUAL, interest.shortest, long_enough, no)
        self.here(long_enough)
        if interest.requests:
            other = Label()
            self.add(bpf.LD_B_X, 0)
            self.any_of((ord("G"), ord("g")), yes, other)
            self.here(other)
            self.add(bpf.LD_LENGTH)
            self.add(bpf.SUB | bpf.WITH_X)
        self.jump(bpf.GREATER, interest.longest + _SLACK, no, short_enough)
        self.here(short_enough)
        if interest.first:
            right = Label()
            self.add(bpf.LD_B_X, 0)
            self.any_of(tuple(sorted(set(interest.first))), right, no)
            self.here(right)
        for offset in range(1, 1 + LOOKED_AT if interest.base64 else 1):
            self._letter(offset, no)

    def _letter(self, offset: int, no: Label) -> None:
        """One byte of the base64 alphabet; goes on behind it."""
        right = Label()
        self.add(bpf.LD_B_X, offset)
        for low, high in _RANGES:
            above, further = Label(), Label()
            self.jump(bpf.GREATER_EQUAL, low, above, no)
            self.here(above)
            self.jump(bpf.GREATER, high, further, right)
            self.here(further)
        low, high = _LAST_RANGE
        above = Label()
        self.jump(bpf.GREATER_EQUAL, low, above, no)
        self.here(above)
        self.jump(bpf.GREATER, high, no, right)
        self.here(right)

    def _find_payload(self, hard: Label, no: Label) -> None:
        """Keep where the payload begins. Behind IPv6 extension headers that is hard to tell."""
        four, six, carrier, found, whole = Label(), Label(), Label(), Label(), Label()
        self.is_version(4, four, six)
        self.here(four)
        self.load(bpf.LD_H_X, NETWORK, 6)
        self.jump(bpf.BITS, 0x3FFF, no, whole)
        self.here(whole)
        self.load(bpf.LD_B_X, NETWORK, 9)
        self.go(carrier)
        self.here(six)
        self.load(bpf.LD_B_X, NETWORK, 6)
        self.any_of(tuple(sorted(EXTENSIONS)), hard, carrier)
        self.here(carrier)
        eight, segment, other = Label(), Label(), Label()
        self.any_of((ICMP, UDP, ICMPV6), eight, other)
        self.here(other)
        self.jump(bpf.EQUAL, TCP, segment, no)
        self.here(eight)
        self.add(bpf.LD_KEPT, TRANSPORT)
        self.add(bpf.ADD, 8)
        self.go(found)
        self.here(segment)
        self.load(bpf.LD_B_X, TRANSPORT, 12)
        self.add(bpf.RSH, 4)
        self.add(bpf.LSH, 2)
        self.add(bpf.ADD | bpf.WITH_X)
        self.here(found)
        self.add(bpf.KEEP, PAYLOAD)
