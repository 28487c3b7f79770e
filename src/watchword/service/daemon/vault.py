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
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from watchword.errors import HostError, PeerError
from watchword.model.openpgp import Decrypted
from watchword.model.packets import Packet
from watchword.model.requests import Sealed
from watchword.ports import OpenPgp
from watchword.service.daemon.lobby import Line

AT_ONCE = 2  # calls of gpg for one key ring
AT_ONCE_ALTOGETHER = 32  # calls of gpg; only many key rings that hang can use them up
STRANGERS = 64  # packets that wait for one key ring: half a second's work
PLACES = 4  # of them, for one source
FAMILIARS = 256
ANSWERS = 1024  # messages whose answer is remembered, 3 KB each at the most

Answer: TypeAlias = Decrypted | PeerError | HostError
Continuation: TypeAlias = Callable[[Answer | None], None]
"""Told the answer; None: there was no room, and the key ring is not asked."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    sealed: Sealed
    go_on: Continuation
    spent: bool
    """It was opened before, and claimed: it must not be judged anew."""

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
        self._answers: dict[tuple[bytes, bytes], Answer] = {}
        self._arrived = asyncio.Event()
        self._under_way: set[_Waiting] = set()

    @property
    def count(self) -> int:
        """Packets that wait."""
        return sum(place.count for place in self._places.values())

    def known_answer(self, sealed: Sealed) -> Answer | None:
        """What came out when it was opened before; None: it was not, or that was long ago."""
        return self._answers.get(_name(sealed))

    def bring(self, sealed: Sealed, go_on: Continuation, *, spent: bool) -> None:
        """Have a packet opened. Never waits; ``go_on`` is called later."""
        place = self._places.setdefault(sealed.keyring.name, _Place())
        line = place.familiars if self._known(sealed.packet.peer) else place.strangers
        left_out = line.join(_Waiting(sealed, go_on, spent))
        if left_out is not None:
            asyncio.get_running_loop().call_soon(left_out.go_on, None)
        self._arrived.set()

    def abandon(self) -> list[Packet]:
        """Forget everything that waits or is under way; what can be judged anew is returned."""
        left = list(self._under_way)
        self._under_way.clear()
        for place in self._places.values():
            while place.count:
                left.append(place.take())
        for waiting in left:
            if waiting.spent:
                waiting.go_on(None)
        return [waiting.sealed.packet for waiting in left if not waiting.spent]

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
        try:
            while place.count:
                waiting = place.take()
                self._under_way.add(waiting)
                answer = await self._answer(waiting.sealed, threads)
                if waiting in self._under_way:  # it was not abandoned meanwhile
                    self._under_way.discard(waiting)
                    waiting.go_on(answer)
        finally:
            place.workers -= 1

    async def _answer(self, sealed: Sealed, threads: ThreadPoolExecutor) -> Answer:
        name = _name(sealed)
        if name not in self._answers:
            answer = await self._opened(sealed, threads)
            if isinstance(answer, Exception):  # kept without the frames that it came through
                answer = answer.with_traceback(None)
                answer.__cause__ = answer.__context__ = None
            self._answers[name] = answer
            if len(self._answers) > ANSWERS:
                self._answers.pop(next(iter(self._answers)))
            return answer
        return self._answers[name]

    async def _opened(self, sealed: Sealed, threads: ThreadPoolExecutor) -> Answer:
        """What comes of one call. A message that costs too much is not tried a second time."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                threads, self._openpgp.decrypt, sealed.keyring, sealed.message
            )
        except (PeerError, HostError) as error:
            return error
        except (OSError, RuntimeError) as error:  # no thread, no descriptor: not the end of us
            return HostError(f"gpg cannot be run: {error}")


def _name(sealed: Sealed) -> tuple[bytes, bytes]:
    """Stanzas with MACs of other lengths make other messages of one packet."""
    return sealed.keyring.name, hashlib.sha256(sealed.message).digest()
