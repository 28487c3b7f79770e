"""Has firewalld make its rules anew when somebody flushed them from the kernel.

In here: hearing of a flush, which firewalld itself does not notice, and what mends it.
Not in here: whether the rules are there (kernel), our own rules, which are put in again
afterwards like after any reload (backend).

A reload makes all of firewalld's rules anew. In nftables it fails where its table is gone, and
leaves everything shut; so an empty one is made before. What an operator has set up for now only
is lost by a reload: it is done only where that was asked for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final, TypeAlias

from watchword.edges.firewall.firewalld.kernel import HOMES, KernelRules
from watchword.edges.firewall.firewalld.talk import Firewalld, News, RefusedError
from watchword.edges.firewall.nft.watch import Watch
from watchword.errors import HostError
from watchword.ports import Clock

_CALM: Final = 0.25
"""Seconds from a change of them until it is seen whether they stand: a flush is several."""
_PATIENCE: Final = 30.0
"""Seconds until what a reload did not mend is tried again."""
FLUSHED: Final[News] = ()
"""The news that the kernel has none of firewalld's rules: no signal of firewalld's is that."""
Source: TypeAlias = Callable[[], AsyncIterator[News]]


class Mending:
    """Of one firewalld. Methods raise HostError."""

    def __init__(self, firewalld: Firewalld, kernel: KernelRules, clock: Clock) -> None:
        self._firewalld = firewalld
        self._kernel = kernel
        self._clock = clock
        self._not_before = -math.inf

    def mend(self) -> bool:
        """Make the kernel have firewalld's rules; return whether that was needed, and done."""
        now = self._clock.now().steady
        if self._stands() or now < self._not_before:
            return False
        self._not_before = now + _PATIENCE
        self._kernel.make_table()
        try:
            self._firewalld.reload()
        except RefusedError:  # a reload that failed has left what the next one needs
            self._firewalld.reload()
        if self._stands():
            self._not_before = now
        return True

    async def flushes(self) -> AsyncIterator[News]:
        """Yields FLUSHED when the kernel's tables were changed and its rules are not there.

        The kernel's old tables tell nobody of their changes, and a kernel without nftables tells
        nothing: then it ends at once.
        """
        try:
            watch = Watch(0, HOMES)
        except HostError:
            return
        try:
            async for _ in watch.wakings():
                await asyncio.sleep(_CALM)
                if not await asyncio.to_thread(self._stands_or_nobody_knows):
                    yield FLUSHED
        finally:
            watch.close()

    def _stands(self) -> bool:
        return self._kernel.stands(self._firewalld.zones())

    def _stands_or_nobody_knows(self) -> bool:
        """Without a firewalld there is nothing to mend."""
        try:
            return self._stands()
        except HostError:
            return True


async def merged(*sources: Source) -> AsyncGenerator[News, None]:
    """What any of them yields, in the order of its coming. Raises what one of them raises."""
    coming: asyncio.Queue[News | Exception] = asyncio.Queue(1)

    async def pass_on(source: Source) -> None:
        try:
            async for news in source():
                await coming.put(news)
        except Exception as error:
            await coming.put(error)

    tasks = [asyncio.create_task(pass_on(each)) for each in sources]
    try:
        while True:
            news = await coming.get()
            if isinstance(news, Exception):
                raise news
            yield news
    finally:
        for each in tasks:
            each.cancel()
