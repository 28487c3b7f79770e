"""Random mutation of seeds, without looking at what the code does with them.

In here: the loop that takes the place of atheris where there is none, and
that the ordinary tests run for a moment. Not in here: what is checked (targets).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

from fuzz.target import Target

_NOTABLE = (
    b"", b":", b"=", b"\0", b"\n", b"\r\n", b",", b"/", b".", b"-1", b"+1", b"00", b" ", b"0",
    b"65535", b"65536", b"65537", b"2147483648", b"9" * 20, b"\x80", b"\xff\xff", b"A" * 70,
)  # fmt: skip


class Scrambler:
    """Changes bytes as a fuzzer does, driven by one source of randomness."""

    def __init__(self, source: Random) -> None:
        self._source = source

    def __call__(self, octets: bytes, most: int) -> bytes:
        """One to four replacements, insertions or cuts; at most ``most`` bytes."""
        result = bytearray(octets)
        for _ in range(self._source.randint(1, 4)):
            start = self._source.randint(0, len(result))
            cut = self._source.choice((0, 0, 1, 1, 1, 2, 3, 8))
            result[start : start + cut] = self._piece(result)
        return bytes(result[:most])

    def _piece(self, octets: bytes | bytearray) -> bytes:
        match self._source.randrange(4):
            case 0:
                return self._source.choice(_NOTABLE)
            case 1:
                return self._source.randbytes(self._source.randint(0, 3))
            case 2 if octets:
                start = self._source.randrange(len(octets))
                return bytes(octets[start : start + self._source.randint(1, 12)])
            case _:
                return bytes([self._source.randrange(256)])


def inputs(target: Target, source: Random) -> Iterator[bytes]:
    """Mutated seeds, without end."""
    scramble = Scrambler(source)
    seeds = [seed[: target.longest] for seed in target.seeds()]
    while True:
        octets = source.choice(seeds)
        for _ in range(source.choice((1, 1, 1, 2, 3))):
            if target.mutate is None:
                octets = scramble(octets, target.longest)
            else:
                octets = target.mutate(octets, source, scramble)
        yield octets[: target.longest]


def outcomes(target: Target, count: int, seed: int) -> Counter[str]:
    """Check that many mutated seeds; how often which word came of them.

    Raises what ``check`` raises.
    """
    return Counter(target.check(octets) for octets in islice(inputs(target, Random(seed)), count))
