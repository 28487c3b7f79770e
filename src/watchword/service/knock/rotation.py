"""Sequences of a rotation are worth one opening: what the store remembers of them.

In here: the key of one. Not in here: claiming it (daemon), the sequences (wire.rotating).
"""

from __future__ import annotations

import hashlib

from watchword.model.doors import TCP, Rotation
from watchword.model.requests import ReplayKey, Sighting
from watchword.wire.rotating import sequence_of


def claim_on(rotation: Rotation, window: int, source: str, wall: float) -> ReplayKey:
    """What stands for the sequence of a window; the same for every door with this secret.

    It is never forgotten: there is one for each opening only, and doors whose sequences last
    for different times would be in each other's way.
    """
    knocks = sequence_of(rotation.secret, window, rotation.knocks)
    text = f"knocks {window} {rotation.every} {' '.join(map(str, knocks))}"
    digest = hashlib.sha256(text.encode("ascii")).digest()
    seen = Sighting(TCP, source, 0, "", knocks[-1].port, wall)
    return ReplayKey(digest, digest, seen, sent_at=window * rotation.every)
