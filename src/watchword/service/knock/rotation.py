"""Sequences of a rotation are worth one opening: what the store remembers of them.

In here: the key of one. Not in here: claiming it (daemon), the sequences (wire.rotating).
"""

from __future__ import annotations

import hashlib

from watchword.model.doors import TCP, Rotation
from watchword.model.requests import ReplayKey, Sighting
from watchword.wire.rotating import sequence_of

_WINDOWS = 3
"""For so many of them a sequence may be knocked; after that the time alone refuses it."""


def claim_on(rotation: Rotation, window: int, source: str, wall: float) -> ReplayKey:
    """What stands for the sequence of a window; the same for every door with this secret."""
    knocks = sequence_of(rotation.secret, window, rotation.knocks)
    text = f"knocks {window} {rotation.every} {' '.join(map(str, knocks))}"
    digest = hashlib.sha256(text.encode("ascii")).digest()
    seen = Sighting(TCP, source, 0, "", knocks[-1].port, wall)
    begins = window * rotation.every
    until = wall + _WINDOWS * rotation.every
    return ReplayKey(digest, digest, seen, until, sent_at=begins)
