"""A player: the hidden service. Whoever says an owner's word is one; who says another is not.

In here: accepting and counting. Not in here: who may (the firewall).

usage: python -m watchword.simulation.hidden   (the order on standard input, then its end)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from watchword.simulation import lines

LONGEST = 64
"""Bytes of a first line."""
PATIENCE = 60.0
"""Seconds for it, on a busy machine."""


class Service:
    """Counts connections by whether they began with a word that only owners have.

    One that ends without a word is nobody's: an owner's client may have given it up, who is in by
    another.
    """

    def __init__(self, words: set[bytes]) -> None:
        self._words = words
        self.of_owners = 0
        self.of_others = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its other end has enough."""
        try:
            async with asyncio.timeout(PATIENCE):
                word = (await reader.readline()).strip()
            self.of_others += bool(word) and word not in self._words
            if word in self._words:
                self.of_owners += 1
                writer.write(b"welcome\n")
                await writer.drain()
                await reader.read()
        except ValueError:  # longer than any word
            self.of_others += 1
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def play() -> None:
    told = lines.order()
    service = Service({each.encode("ascii") for each in told["words"]})
    server = await asyncio.start_server(
        service.meet, told["address"], told["port"], limit=LONGEST, backlog=4096
    )
    async with server:
        print("listens", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # until there is no more to be expected
    lines.account({"of_owners": service.of_owners, "of_others": service.of_others})


if __name__ == "__main__":
    asyncio.run(play())
