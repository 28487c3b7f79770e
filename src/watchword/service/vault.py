"""Has OpenPGP packets opened: few at once, in fair order, and no key ring holds up another.

In here: how many gpg run, who waits for one, what is not asked twice.
Not in here: gpg itself (edges.gpg), what becomes of an opened packet (gate).

Every key ring has places of its own, so that one that hangs holds up nobody
else's; its calls end by their own time limit. What was opened once is not
opened again: a packet that was overheard costs no second gpg, and stanzas that
share a key ring share its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from watchword.errors import HostError, PeerError
from watchword.model.openpgp import Decrypted
from watchword.model.packets import Packet
from watchword.model.requests import Sealed
from watchword.ports import OpenPgp
from watchword.service.lobby import Line
from watchword.wire.spa.digests import packet_digest

AT_ONCE = 2  # calls of gpg for one key ring
AT_ONCE_ALTOGETHER = 32  # calls of gpg; only many key rings that hang can use them up
STRANGERS = 64  # packets that wait for one key ring: half a second's work
PLACES = 4  # of them, for one source
FAMILIARS = 256
ANSWERS = 1024  # packets whose answer is remembered, 2 KB each at the most

Answer: TypeAlias = Decrypted | PeerError | HostError
Continuation: TypeAlias = Callable[[Answer | None], None]
"""Told the answer; None: there was no room, and nobody will look at it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    sealed: Sealed
    go_on: Continuation

    @property
    def peer(self) -> str:
        return self.sealed.packet.peer


@dataclass(slots=True)
class _Place:
    """What waits for one key ring."""

    familiars: Line[_Waiting] = field(default_factory=lambda: Line(FAMILIARS, PLACES * 4))
    strangers: Line[_Waiting] = field(default_factory=lambda: Line(STRANGERS, PLACES))
    workers: int = 0

    @property
    def count(self) -> int:
        return self.familiars.count + self.strangers.count

    def take(self) -> _Waiting:
        return self.familiars.take() if self.familiars.count else self.strangers.take()


class Vault:
    """One gate's way to key rings."""

    def __init__(self, openpgp: OpenPgp, known: Callable[[str], bool]) -> None:
        """``known`` says of a source address whether it has proved itself before."""
        self._openpgp = openpgp
        self._known = known
        self._places: dict[bytes, _Place] = {}
        self._answers: dict[tuple[bytes, bytes], Decrypted | PeerError] = {}
        self._arrived = asyncio.Event()
        self._under_way: set[_Waiting] = set()

    @property
    def count(self) -> int:
        """Packets that wait."""
        return sum(place.count for place in self._places.values())

    def known_answer(self, sealed: Sealed) -> Decrypted | PeerError | None:
        """What came out when it was opened before; None: it was not, or that was long ago."""
        return self._answers.get(_name(sealed))

    def bring(self, sealed: Sealed, go_on: Continuation) -> None:
        """Have a packet opened. Never waits; ``go_on`` is called later."""
        place = self._places.setdefault(sealed.keyring.name, _Place())
        line = place.familiars if self._known(sealed.packet.peer) else place.strangers
        left_out = line.join(_Waiting(sealed, go_on))
        if left_out is not None:
            asyncio.get_running_loop().call_soon(left_out.go_on, None)
        self._arrived.set()

    def abandon(self) -> list[Packet]:
        """Forget everything that waits or is under way; nobody goes on with it."""
        left = list(self._under_way)
        self._under_way.clear()
        for place in self._places.values():
            while place.count:
                left.append(place.take())
        return [waiting.sealed.packet for waiting in left]

    async def serve(self) -> None:
        """Open what is brought, until cancelled."""
        threads = ThreadPoolExecutor(AT_ONCE_ALTOGETHER, "gpg")
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._arrived.wait()
                    self._arrived.clear()
                    for place in self._places.values():
                        while place.workers < min(AT_ONCE, place.workers + place.count):
                            place.workers += 1
                            group.create_task(self._work(place, threads))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _work(self, place: _Place, threads: ThreadPoolExecutor) -> None:
        while place.count:
            waiting = place.take()
            self._under_way.add(waiting)
            answer = await self._answer(waiting.sealed, threads)
            if waiting in self._under_way:  # it was not abandoned meanwhile
                self._under_way.discard(waiting)
                waiting.go_on(answer)
        place.workers -= 1

    async def _answer(self, sealed: Sealed, threads: ThreadPoolExecutor) -> Answer:
        name = _name(sealed)
        if name in self._answers:
            return self._answers[name]
        loop = asyncio.get_running_loop()
        try:
            answer: Decrypted | PeerError = await loop.run_in_executor(
                threads, self._openpgp.decrypt, sealed.keyring, sealed.message
            )
        except PeerError as error:
            answer = error
        except HostError as error:
            return error  # another try may go well
        self._answers[name] = answer
        if len(self._answers) > ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answer


def _name(sealed: Sealed) -> tuple[bytes, bytes]:
    return sealed.keyring.name, packet_digest(sealed.packet.payload)
