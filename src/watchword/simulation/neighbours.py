"""A player: the neighbours, who have no key and try all the time.

In here: their tries. Not in here: counting who got in, which is the service's affair: an answer to
a SYN is not yet a service.

usage: python -m watchword.simulation.neighbours   (the order on standard input)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Any

from watchword.simulation import lines
from watchword.simulation.cast import PAUSE, TRY


class Neighbours:
    """All of them, as tasks of one process."""

    def __init__(self, told: Any) -> None:
        self._address, self._ports = told["address"], told["ports"]
        self._family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        self._chance = random.Random(told["seed"])  # noqa: S311 - a play, not a secret
        self.tries = 0

    async def one(self) -> None:
        """Tries until the play is over."""
        while True:
            first, last = self._ports
            await self._try(self._chance.randint(first, last))
            await asyncio.sleep(self._chance.uniform(0, PAUSE))

    async def _try(self, port: int) -> None:
        self.tries += 1
        with socket.socket(self._family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(TRY):
                    await loop.sock_connect(sock, (self._address, port))
                    await loop.sock_sendall(sock, b"let me in\n")
                    await loop.sock_recv(sock, 1)


async def play() -> None:
    told = lines.order()
    neighbours = Neighbours(told)
    tasks = [asyncio.ensure_future(neighbours.one()) for _ in range(told["neighbours"])]
    await asyncio.sleep(told["seconds"])
    for each in tasks:
        each.cancel()
    lines.account({"tries": neighbours.tries})


if __name__ == "__main__":
    asyncio.run(play())
