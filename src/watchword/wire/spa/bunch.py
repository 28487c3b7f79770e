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
from typing import NamedTuple

from cryptography.hazmat.primitives.hmac import HMAC

from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.mac import split


class _Run(NamedTuple):
    """Neighbouring keys whose MACs are of one length."""

    first: int
    end: int
    chars: int
    """0: no key here has a MAC to verify, so every packet fits."""
    keyed: tuple[HMAC, ...]


class Bunch:
    """Several keys in their order; None stands for "any packet fits"."""

    __slots__ = ("_runs", "_size")

    def __init__(self, macs: Sequence[Mac | None]) -> None:
        runs: list[_Run] = []
        for chars, group in groupby(macs, key=lambda mac: mac.chars if mac else 0):
            members = list(group)
            first = runs[-1].end if runs else 0
            keyed = tuple(mac.keyed for mac in members if mac)
            runs.append(_Run(first, first + len(members), chars, keyed))
        self._runs = tuple(runs)
        self._size = len(macs)

    def first_fit(self, payload: bytes, start: int = 0) -> int:
        """Index of the first key from ``start`` on that fits; their number if none does."""
        tails: dict[int, tuple[bytes, bytes]] = {}
        for first, end, chars, keyed in self._runs:
            if end <= start:
                continue
            at = max(first, start)
            if not chars:
                return at
            if chars not in tails:
                tails[chars] = split(payload, chars)
            body, mac = tails[chars]
            if mac and (found := _search(keyed, at - first, body, mac)) is not None:
                return first + found
        return self._size


def _search(keyed: Sequence[HMAC], start: int, body: bytes, mac: bytes) -> int | None:
    for state in keyed[start:]:  # not counted: that would be a twentieth of what a key costs
        running = state.copy()
        running.update(body)
        if compare_digest(running.finalize(), mac):
            return keyed.index(state, start)
    return None
