"""The loop of a process that outlives the server, to end what it opened.

In here: waiting for the server, for what is due, and for the word to end; the end. Not in here:
what is to be done (dated.sweeper, firewalld.heir_process), how it is started (heirs).

It goes on when the server is gone, until nothing is left. Told to end, it ends first what is
still open.
"""

from __future__ import annotations

import select
import signal
import socket
import time
from typing import Final, Protocol

LONGEST_WAIT: Final = 10.0
"""Seconds between two looks: waiting is not counted while the machine sleeps."""
_PIECE: Final = 1 << 18
_ENDING: Final = 10.0  # seconds
_AGAIN: Final = 1.0  # seconds


class Work(Protocol):
    """What there is to do."""

    alone: bool
    """The server is gone."""

    def turn(self) -> float | None:
        """End what is over. Returns the seconds until there is more; None: nothing is left."""
        ...

    def hear(self, data: bytes) -> None:
        """What the server said."""
        ...

    def end_everything(self) -> bool:
        """Whatever its time; return whether nothing is left."""
        ...


class Word:
    """The word to end: SIGTERM. Signals that mean nothing to such a process are ignored."""

    def __init__(self) -> None:
        self.said = False
        self.bell, self._signals = socket.socketpair()
        """Can be read when it was said."""
        for each in (self.bell, self._signals):
            each.setblocking(False)

    def heed(self) -> None:
        """From now on; for the main thread."""
        signal.set_wakeup_fd(self._signals.fileno())  # a signal alone does not end a wait
        signal.signal(signal.SIGTERM, self._say)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)

    def _say(self, number: int, frame: object) -> None:
        self.said = True


class Loop:
    """Some work, and the server at the other end of a socket."""

    def __init__(self, channel: socket.socket, work: Work, longest: float = LONGEST_WAIT) -> None:
        """``longest``: seconds between two looks."""
        self._channel = channel
        self._work = work
        self._longest = longest
        self._word = Word()

    def run(self) -> None:
        """Until nobody is there who could open anything, and nothing is open."""
        self._word.heed()
        while not self._word.said:
            left = self._work.turn()
            if left is None and self._work.alone:
                return
            self._listen(self._longest if left is None else min(left, self._longest))
        limit = time.monotonic() + _ENDING
        while not self._work.end_everything() and time.monotonic() < limit:
            time.sleep(_AGAIN)

    def _listen(self, seconds: float) -> None:
        heard = [self._word.bell, *([] if self._work.alone else [self._channel])]
        ready, _, _ = select.select(heard, [], [], seconds)
        if self._channel in ready:
            try:
                data = self._channel.recv(_PIECE)
            except OSError:
                data = b""
            self._work.hear(data)
            self._work.alone = not data
