"""What is weak about a door, in words, with how likely a scan opens it.

In here: sequences that are short, ascending or printed everywhere.
Not in here: mistakes (conf), saying it (service).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import factorial
from typing import Final

from watchword.errors import Complaint
from watchword.model.doors import Door
from watchword.model.services import Proto, Service

POPULAR: Final = frozenset({
    (7000, 8000, 9000), (9000, 8000, 7000), (1234, 2345, 3456), (1111, 2222, 3333),
    (11003, 11002, 11001), (11001, 11002, 11003), (2222, 3333, 4444), (1000, 2000, 3000),
    (3000, 2000, 1000), (7777, 8888, 9999), (12345, 54321, 24680, 13579), (571, 290, 911),
    (5000, 6000, 7000), (1001, 1002, 1003), (1, 2, 3), (6000, 7000, 8000),
    (8881, 7777, 9991), (10000, 20000, 30000),
})  # fmt: skip
"""Of manuals, tutorials and the packaged file."""
FEW: Final = 4
"""Knocks; fewer are short."""
_RARE: Final = 24


def weaknesses(doors: Sequence[Door]) -> Iterator[Complaint]:
    """Remarks on every door, none of them fatal."""
    for door in doors:
        for what, hint in _of(door):
            yield Complaint(f"[{door.name}]: {what}", door.place, hint, fatal=False)


def _of(door: Door) -> Iterator[tuple[str, str]]:
    if door.rotation is not None:
        return
    ports = tuple(each.port for each in door.sequence)
    if ports in POPULAR:
        yield "its sequence is one that manuals print", "use ports of your own"
    if not door.care.strict:
        yield from _to_scans(door)
    if door.one_time is None:
        yield (
            "whoever watches its knocks once can knock for ever",
            "use One_Time_Sequences or Secret, or fwknopd",
        )


def _to_scans(door: Door) -> Iterator[tuple[str, str]]:
    likely = random_scan(door.sequence)
    if not door.sequence or not likely:
        return
    if ascending(door.sequence):
        hint = "use ports in no order, or write Strict = yes"
        yield "a scan of all ports in ascending order opens it", hint
    one_in = round(1 / likely)
    said = "every scan" if one_in == 1 else f"one of {one_in} scans"
    hint = f"use {FEW} knocks or more, or write Strict = yes"
    yield f"{said} of all ports in random order opens it", hint if one_in < _RARE else ""


def ascending(sequence: Sequence[Service]) -> bool:
    """Whether one scan from the lowest port to the highest knocks it."""
    one_kind = len({each.proto for each in sequence}) == 1
    return one_kind and all(one.port < other.port for one, other in pairwise(sequence))


def random_scan(sequence: Sequence[Service]) -> float:
    """The probability that one scan of all ports, each once and in random order, opens a door.

    The scan is of one protocol; a door with both, or with a port twice, is not opened by it.
    """
    kinds: set[Proto] = {each.proto for each in sequence}
    if len(kinds) != 1 or len(set(sequence)) != len(sequence):
        return 0.0
    return 1 / factorial(len(sequence))
