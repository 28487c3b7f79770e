"""The hand's end of what the gate writes: letters, which it never waits for.

In here: putting a letter together of what has come, and one limit for it, however many pieces it
comes in. Not in here: what a letter is (letters), what is done about it (hand_process).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from watchword.edges.pair import Channel, Pieces
from watchword.service.apart import letters

REST: Final = 5.0  # seconds for the rest of a message that has begun


class Inbox:
    """Of one channel."""

    def __init__(self, channel: Channel, never_ended: Callable[[], None]) -> None:
        """``never_ended`` is called where the rest of a letter does not come in time."""
        self._pieces = Pieces(channel.sock)
        self._never_ended = never_ended
        self._impatience: asyncio.TimerHandle | None = None
        """When the patience with a letter that has begun ends."""

    def take(self) -> letters.Letter | None:
        """The next letter; None: it has not come to its end.

        Raises PeerError: it is none. Raises HungUpError.
        """
        octets = self._pieces.take()
        self._wait_for_the_rest()
        return None if octets is None else letters.read(octets)

    def _wait_for_the_rest(self) -> None:
        if not self._pieces.begun:
            if self._impatience is not None:
                self._impatience.cancel()
                self._impatience = None
        elif self._impatience is None:
            loop = asyncio.get_running_loop()
            self._impatience = loop.call_later(REST, self._never_ended)
