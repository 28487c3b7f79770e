"""Tells one packet that was seen twice from a packet that was sent twice.

In here: what was seen a moment ago, and where.
Not in here: replays (edges.replay): what comes again where it came before is
one, and nothing here hides it.

With several sources, or several interfaces, the same packet may pass more than
one of them: a TCP connection that is read and sniffed, a bridge and its port.
The first sight counts; the others are no replays and not worth a line in the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchword.model.packets import Packet

SECONDS = 1.0  # between two sights of one packet at the most
MOST = 4096  # sights that are remembered


class Twins:
    """Remembers first sights, a bounded number for a short time."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, str, float]] = {}
        self.count = 0
        """Packets that were left out."""

    def without(self, batch: Sequence[Packet], source: int, steady: float) -> list[Packet]:
        """The batch without packets that were seen elsewhere a moment ago.

        ``source``: a number of its own for each source.
        """
        return [each for each in batch if self._is_first(each, source, steady)]

    def _is_first(self, packet: Packet, source: int, steady: float) -> bool:
        key = hash(packet[:6])  # everything but where it was seen; strangers cannot aim at it
        seen = self._seen.get(key)
        if seen is not None and steady - seen[2] < SECONDS:
            if seen[:2] != (source, packet.interface):
                self.count += 1
                return False
        else:
            self._seen.pop(key, None)
        self._seen[key] = (source, packet.interface, steady)
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        return True
