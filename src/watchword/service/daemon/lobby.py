"""Where packets wait when more arrive than can be tried: fairly, briefly, and not too many.

In here: the order in which waiting packets are served, who is known, and every
bound on what strangers can make us keep.
Not in here: serving them (gate), the sockets (edges.capture).

Sources that have proved themselves come first, each of them a little at a time:
being known gives precedence, never acceptance, and somebody who forges a known
address fills no more than that address's share. Of strangers each source has
few places, and when all places are taken the oldest packet goes: its sender has
waited longest for an answer that SPA never gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from watchword.model.packets import Packet

STRANGERS = 2048  # packets of strangers that wait at the most: a sixth of a second with 100 stanzas
PLACES = 16  # packets of one stranger that wait at the most
MANY_PLACES = 256  # packets of one known source: there may be a building behind its address
FAMILIARS = 4096  # packets of known sources that wait at the most
KNOWN = 65_536  # addresses that are known at the most, 100 bytes each
KNOWN_SECONDS = 12 * 3600.0  # how long an address stays known after its last authentic packet


class FromSomewhere(Protocol):
    """Whatever can wait in a line."""

    @property
    def peer(self) -> str: ...


Waiting = TypeVar("Waiting", bound=FromSomewhere)


class Line(Generic[Waiting]):
    """A queue in which every source has its own few places and its turn."""

    def __init__(self, most: int, places: int = PLACES) -> None:
        self._most = most
        self._places = places
        self._waiting: dict[str, list[Waiting]] = {}
        self._turns: deque[str] = deque()
        self.count = 0
        """Packets that wait."""
        self.dropped = 0

    def join(self, packet: Waiting) -> Waiting | None:
        """Wait, unless the source has no place left; the longest waiting makes room.

        Returns what does not wait any more, if anything.
        """
        queue = self._waiting.get(packet.peer)
        if queue is None:
            self._waiting[packet.peer] = [packet]
            self._turns.append(packet.peer)
        elif len(queue) >= self._places:
            self.dropped += 1
            return packet
        else:
            queue.append(packet)
        self.count += 1
        if self.count <= self._most:
            return None
        self.dropped += 1
        return self.take()

    def take(self) -> Waiting:
        """The next packet, one of each source in turn. IndexError if nobody waits."""
        source = self._turns.popleft()
        queue = self._waiting[source]
        self.count -= 1
        if len(queue) == 1:
            del self._waiting[source]
            return queue[0]
        self._turns.append(source)
        return queue.pop(0)  # of a few hundred at the most


class Lobby:
    """Everything that has arrived and was not looked at yet."""

    def __init__(self) -> None:
        self.familiars: Line[Packet] = Line(FAMILIARS, MANY_PLACES)
        self.strangers: Line[Packet] = Line(STRANGERS)
        self._known: dict[str, float] = {}

    @property
    def count(self) -> int:
        """Packets that wait."""
        return self.familiars.count + self.strangers.count

    def arrive(self, batch: Sequence[Packet], steady: float) -> None:
        """Let packets in, to the line that their source has earned."""
        known = self._known
        for packet in batch:
            if known and known.get(packet.peer, 0.0) > steady:
                self.familiars.join(packet)
            else:
                self.strangers.join(packet)

    def take(self) -> Packet:
        """The next packet: of those who are known, as long as one waits."""
        return self.familiars.take() if self.familiars.count else self.strangers.take()

    def recognised(self, peer: str, steady: float) -> None:
        """Note that an authentic packet came from there."""
        self._known.pop(peer, None)
        self._known[peer] = steady + KNOWN_SECONDS
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def knows(self, peer: str, steady: float) -> bool:
        """Whether an authentic packet came from there, not too long ago."""
        return self._known.get(peer, 0.0) > steady

    @property
    def known(self) -> int:
        """How many addresses are known, those whose time is up included."""
        return len(self._known)
