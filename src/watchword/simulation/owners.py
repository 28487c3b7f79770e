"""A player: the people who have keys, and come to work with the programs that users have.

In here: when they knock, and whether they got in. Not in here: when they come (cast), the packets:
``fwknop`` and ``watchword connect`` make those.

usage: python -m watchword.simulation.owners   (the order on standard input)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from watchword.simulation import lines
from watchword.simulation.cast import KNOCK_AGAIN, Visit

_SECRET = re.compile(rb"assigned port '(\d+)'")
ANSWER = 2.0
"""Seconds that a try waits for what the service says: a SYN and a second one."""
_PROGRAM = (sys.executable, "-m")


class Way(NamedTuple):
    """How owners come in."""

    address: str
    port: int
    rc_file: str
    connects: bool
    """By ``watchword connect``; else by ``fwknop``, and a connection of their own."""
    patience: float
    """Seconds."""


class ShutOutError(Exception):
    """Somebody with a key did not get in."""


class Owners:
    """All of them, as tasks of one process."""

    def __init__(self, way: Way, words: list[str]) -> None:
        self._way = way
        self._words = [each.encode("ascii") + b"\n" for each in words]
        self.waited: list[float] = []
        """Seconds from the knock until the service answered, for each who got in."""
        self.shut_out: list[str] = []
        self.knocks = 0

    async def visit(self, visit: Visit) -> None:
        """Come at one's time, and stay if one is let in."""
        await asyncio.sleep(visit.at)
        begun = time.monotonic()
        inside = self._by_connect if self._way.connects else self._by_fwknop
        try:
            async with inside(visit.owner):
                self.waited.append(time.monotonic() - begun)
                await asyncio.sleep(visit.stay)
        except ShutOutError as error:
            self.shut_out.append(f"{visit.at:.1f} owner-{visit.owner}: {error}")

    @asynccontextmanager
    async def _by_fwknop(self, owner: int) -> AsyncIterator[None]:
        """Knock, and try; knock again when nothing comes of it for a while."""
        limit = time.monotonic() + self._way.patience
        writer = None
        while writer is None and time.monotonic() < limit:
            port = await self._knock(owner)
            until = min(limit, time.monotonic() + KNOCK_AGAIN)
            while writer is None and time.monotonic() < until:
                writer = await self._enter(owner, port, until - time.monotonic())
        if writer is None:
            raise ShutOutError("no answer")
        try:
            yield
        finally:
            writer.close()

    async def _knock(self, owner: int) -> int:
        """Returns the port to go to: the service's, or the secret one that the client prints."""
        self.knocks += 1
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM, "watchword.programs.fwknop",
            "-n", f"owner-{owner}", "--rc-file", self._way.rc_file,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise ShutOutError(said.decode("utf-8", "replace").strip()[-200:])
        found = _SECRET.search(said)
        return int(found[1]) if found else self._way.port

    async def _enter(self, owner: int, port: int, left: float) -> asyncio.StreamWriter | None:
        writer = None
        try:
            async with asyncio.timeout(min(ANSWER, left)):
                reader, writer = await asyncio.open_connection(self._way.address, port)
                writer.write(self._words[owner])
                if await reader.readline():
                    return writer
        except TimeoutError:
            pass
        except OSError:
            await asyncio.sleep(0.05)
        if writer is not None:
            writer.close()
        return None

    @asynccontextmanager
    async def _by_connect(self, owner: int) -> AsyncIterator[None]:
        """``watchword connect`` knocks, waits, and falls back as policy allows."""
        self.knocks += 1
        process = await asyncio.create_subprocess_exec(
            *_PROGRAM, "watchword.programs.watchword", "connect", "-n", f"owner-{owner}",
            "--rc-file", self._way.rc_file, "--timeout", str(int(self._way.patience)),
            self._way.address, str(self._way.port),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            if not await self._greeted(process, self._words[owner]):
                raise ShutOutError(await self._why(process))
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _greeted(self, process: asyncio.subprocess.Process, word: bytes) -> bool:
        """Say the word through it, and wait for an answer."""
        if process.stdin is None or process.stdout is None:
            return False
        process.stdin.write(word)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._way.patience + 1):
                return bool(await process.stdout.readline())
        return False

    async def _why(self, process: asyncio.subprocess.Process) -> str:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        said = b"" if process.stderr is None else await process.stderr.read()
        return said.decode("utf-8", "replace").strip()[-300:] or "no answer"


async def play() -> None:
    # Of a process that ended just before it was killed, asyncio says that it does not know it.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    told: Any = lines.order()
    owners = Owners(Way(**told["way"]), told["words"])
    await asyncio.gather(*(owners.visit(Visit(*each)) for each in told["visits"]))
    waited = sorted(owners.waited)
    lines.account({
        "visits": len(told["visits"]),
        "knocks": owners.knocks,
        "shut_out": owners.shut_out,
        "median_wait": waited[len(waited) // 2] if waited else None,
    })  # fmt: skip


if __name__ == "__main__":
    asyncio.run(play())
