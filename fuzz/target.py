"""What a fuzzing target is.

In here: the value that every module of ``targets`` fills in. Not in here:
running one (guided, blind), the targets themselves (targets).

An input is bytes. ``check`` turns them into whatever it needs, and its
invariant is broken when it raises anything at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

Scramble: TypeAlias = Callable[[bytes, int], bytes]
"""Some bytes changed at random; the number is the most bytes that may come back."""
Mutate: TypeAlias = Callable[[bytes, Random, Scramble], bytes]
"""Changes an input where it makes sense, with ``Scramble`` for the parts without structure."""


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed."""

    name: str
    invariant: str
    """What holds for every input: a sentence."""
    check: Callable[[bytes], str]
    """Raises if the invariant does not hold; otherwise one word for what came of the input."""
    seeds: Callable[[], Iterable[bytes]]
    """Inputs to start from."""
    mutate: Mutate | None = None
    """None: any byte is as good as any other."""
    words: tuple[bytes, ...] = ()
    """What stands in inputs of this kind and is not guessed soon."""
    longest: int = 2048
    """Bytes of an input."""
    lacks: Callable[[], str] = _nothing
    """What this machine does not have and the target needs; empty: nothing."""
