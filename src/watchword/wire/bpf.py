"""Programs of the kernel's packet filter (classic BPF): their form, and running one by hand.

In here: the codes, an assembler with labels, and a machine for captures that no
kernel filters.
Not in here: what is asked (filter_code), handing a program to the kernel
(edges.capture.bpf).

Programs come from ourselves or from libpcap; frames come from strangers. A
load beyond the end ends a program with "no", as in the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: one ``struct sock_filter``."""
Program: TypeAlias = Sequence[Instruction]

LD_W, LD_H, LD_B = 0x20, 0x28, 0x30
LD_W_X, LD_H_X, LD_B_X = 0x40, 0x48, 0x50
LD_LENGTH, LD_NUMBER, LD_KEPT = 0x80, 0x00, 0x60
LDX_NUMBER, LDX_KEPT, LDX_LENGTH, LDX_HEADER = 0x01, 0x61, 0x81, 0xB1
KEEP, KEEP_X = 0x02, 0x03
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR = range(0x04, 0xB4, 0x10)
WITH_X: Final = 0x08
"""Added to an operation or a jump: compute with X instead of the operand."""
JUMP, EQUAL, GREATER, GREATER_EQUAL, BITS = 0x05, 0x15, 0x25, 0x35, 0x45
RETURN, RETURN_A = 0x06, 0x16
TO_X, TO_A = 0x07, 0x87

ETHERTYPE: Final = 0xFFFFF000
"""Where the kernel answers which protocol the link layer announced, instead of a byte."""
TAGGED: Final = 0xFFFFF000 + 48
"""Where the kernel answers whether it took a VLAN tag off, instead of a word."""
LINK_HEADER: Final = 0xFFE00000
"""Where the kernel answers bytes of the link header that it took off."""
MOST_INSTRUCTIONS: Final = 4096
_WORD: Final = 0xFFFFFFFF
_FAR: Final = 255


class Label:
    """A place in a program that is not known yet."""


class Assembler:
    """Collects instructions; jumps go to labels, forwards only."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, Label | int, Label | int, int]] = []
        self._places: dict[Label, int] = {}

    def add(self, code: int, operand: int = 0) -> None:
        self._lines.append((code, 0, 0, operand))

    def jump(self, code: int, operand: int, yes: Label, no: Label) -> None:
        self._lines.append((code, yes, no, operand))

    def go(self, to: Label) -> None:
        self._lines.append((JUMP, to, to, 0))

    def here(self, label: Label) -> None:
        self._places[label] = len(self._lines)

    def insert(self, program: Program, yes: Label, no: Label) -> None:
        """A whole program; where it returns, it goes on."""
        for code, true, false, operand in program:
            if code == RETURN:
                self.go(yes if operand else no)
            else:
                self._lines.append((code, true, false, operand))

    def program(self) -> list[Instruction]:
        """Raises ValueError if it is longer than the kernel takes."""
        far = any(
            self._distance(at, each) > _FAR
            for at, (code, yes, no, _) in enumerate(self._lines)
            for each in (yes, no)
            if code != JUMP and isinstance(each, Label)
        )
        found = self._spread() if far else self._close()
        if len(found) > MOST_INSTRUCTIONS:
            raise ValueError("the filter is too long for the kernel")
        return found

    def _distance(self, at: int, to: Label | int) -> int:
        return self._places[to] - at - 1 if isinstance(to, Label) else to

    def _close(self) -> list[Instruction]:
        found = []
        for at, (code, yes, no, operand) in enumerate(self._lines):
            if code == JUMP:
                found.append((code, 0, 0, self._distance(at, yes) + operand))
            else:
                found.append((code, self._distance(at, yes), self._distance(at, no), operand))
        return found

    def _spread(self) -> list[Instruction]:
        """Every jump to labels over a jump that reaches further; inserted programs stay whole."""
        starts, size = [], 0
        for code, yes, _, _ in self._lines:
            starts.append(size)
            size += 3 if code != JUMP and isinstance(yes, Label) else 1
        starts.append(size)
        found: list[Instruction] = []

        def away(to: Label) -> Instruction:
            return (JUMP, 0, 0, starts[self._places[to]] - len(found) - 1)

        for code, yes, no, operand in self._lines:
            if isinstance(yes, Label) and isinstance(no, Label):
                if code != JUMP:
                    found.append((code, 0, 1, operand))
                    found.append(away(yes))
                found.append(away(no))
            elif isinstance(yes, int) and isinstance(no, int):
                found.append((code, yes, no, operand))
        return found


_OPERATIONS: Final[dict[int, Callable[[int, int], int]]] = {
    ADD: lambda a, b: a + b,
    SUB: lambda a, b: a - b,
    MUL: lambda a, b: a * b,
    OR: lambda a, b: a | b,
    AND: lambda a, b: a & b,
    LSH: lambda a, b: a << b if b < 32 else 0,
    RSH: lambda a, b: a >> b if b < 32 else 0,
    XOR: lambda a, b: a ^ b,
}
_TESTS: Final[dict[int, Callable[[int, int], bool]]] = {
    EQUAL: lambda a, b: a == b,
    GREATER: lambda a, b: a > b,
    GREATER_EQUAL: lambda a, b: a >= b,
    BITS: lambda a, b: bool(a & b),
}
_SIZES: Final = {LD_W: 4, LD_H: 2, LD_B: 1, LD_W_X: 4, LD_H_X: 2, LD_B_X: 1}


def run(program: Program, octets: bytes, ethertype: int) -> int:  # noqa: PLR0912 - one arm for each kind of instruction
    """What a program returns for a packet, from its network header on: 0 is "no".

    ``ethertype`` is what the link layer announced. Knows what filters are made
    of; a program with another instruction, or one that does not end, says "no".
    """
    a = x = at = 0
    kept = [0] * 16
    for _ in range(len(program)):
        if not 0 <= at < len(program):
            return 0
        code, true, false, k = program[at]
        at += 1
        if code in _SIZES:
            loaded = _load(octets, k + x if code >= LD_W_X else k, _SIZES[code], ethertype)
            if loaded is None:
                return 0
            a = loaded
        elif code == LDX_HEADER:
            if k >= len(octets):
                return 0
            x = (octets[k] & 15) * 4
        elif code in (RETURN, RETURN_A):
            return k if code == RETURN else a
        elif code == JUMP:
            at += k
        elif code & ~WITH_X in _TESTS and code & 7 == 5:
            at += true if _TESTS[code & ~WITH_X](a, x if code & WITH_X else k) else false
        elif code & ~WITH_X in _OPERATIONS:
            a = _OPERATIONS[code & ~WITH_X](a, x if code & WITH_X else k) & _WORD
        elif code in (KEEP, KEEP_X):
            kept[k & 15] = a if code == KEEP else x
        elif code in (LD_KEPT, LD_NUMBER, LD_LENGTH):
            a = {LD_KEPT: kept[k & 15], LD_NUMBER: k, LD_LENGTH: len(octets)}[code]
        elif code in (LDX_KEPT, LDX_NUMBER, LDX_LENGTH):
            x = {LDX_KEPT: kept[k & 15], LDX_NUMBER: k, LDX_LENGTH: len(octets)}[code]
        elif code == TO_X:
            x = a
        elif code == TO_A:
            a = x
        else:
            return 0
    return 0


def _load(octets: bytes, at: int, size: int, ethertype: int) -> int | None:
    if at == ETHERTYPE:
        return ethertype
    if at == TAGGED:
        return 0  # where no kernel filters, the tag still stands in front
    if at + size > len(octets):
        return None
    return int.from_bytes(octets[at : at + size], "big")
