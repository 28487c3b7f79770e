"""Tries many HMAC keys on one packet.

In here: the tight loop over all stanzas of a server. This is what a stranger
can make a server do, so it does nothing twice: the tail of the packet is
decoded once for each length of MAC that is configured.
Not in here: which stanza may be tried for which source (recognise).
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from itertools import groupby
from typing import NamedTuple, TypeAlias

from watchword.wire.spa.digests import RunningHash
from watchword.wire.spa.mac import Mac, split

_Trial: TypeAlias = tuple[RunningHash, RunningHash]
"""Inner and outer hash, fed with the key. Calling ``copy`` on the hash is quicker than calling
a bound method that was kept, and takes less memory for each key."""


class _Run(NamedTuple):
    """Neighbouring keys whose MACs are of one length."""

    first: int
    end: int
    chars: int
    """0: no key here has a MAC to verify, so every packet fits."""
    trials: tuple[_Trial, ...]


class Bunch:
    """Several keys in their order; None stands for "any packet fits"."""

    __slots__ = ("_runs", "_size")

    def __init__(self, macs: Sequence[Mac | None]) -> None:
        runs: list[_Run] = []
        for chars, group in groupby(macs, key=lambda mac: mac.chars if mac else 0):
            members = list(group)
            first = runs[-1].end if runs else 0
            trials = tuple((mac.inner, mac.outer) for mac in members if mac)
            runs.append(_Run(first, first + len(members), chars, trials))
        self._runs = tuple(runs)
        self._size = len(macs)

    def first_fit(self, payload: bytes, start: int = 0) -> int:
        """Index of the first key from ``start`` on that fits; their number if none does."""
        tails: dict[int, tuple[bytes, bytes]] = {}
        for first, end, chars, trials in self._runs:
            if end <= start:
                continue
            at = max(first, start)
            if not chars:
                return at
            if chars not in tails:
                tails[chars] = split(payload, chars)
            body, mac = tails[chars]
            if mac and (found := _search(trials, at - first, body, mac)) is not None:
                return first + found
        return self._size


def _search(trials: Sequence[_Trial], start: int, body: bytes, mac: bytes) -> int | None:
    for index, (keyed_inner, keyed_outer) in enumerate(trials[start:], start):
        inner = keyed_inner.copy()
        inner.update(body)
        outer = keyed_outer.copy()
        outer.update(inner.digest())
        if compare_digest(outer.digest(), mac):
            return index
    return None
