"""The process that ends rules when the server is dead, or does not get round to it.

In here: its start, its loop, its end. Not in here: which rules are over (sweeper), how it is
started (heir).

It knows nothing but what the rules say, so nothing is lost with whoever put them in. It ends when
the server is gone and no rule is left. Told to end, it takes out first what is still open.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.dated.heir import ordered
from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.sweeper import AGAIN, Sweeper
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.programs import SystemPrograms

LONGEST_WAIT = 10.0
"""Seconds between two looks: waiting is not counted while the machine sleeps."""
_PIECE = 1 << 12
_ENDING = 10.0  # seconds


class Loop:
    """A sweeper, and the server at the other end of a socket."""

    def __init__(
        self, channel: socket.socket, sweeper: Sweeper, longest: float = LONGEST_WAIT
    ) -> None:
        """``longest``: seconds between two looks."""
        self._channel = channel
        self._sweeper = sweeper
        self._longest = longest
        self._alarm, self._signals = socket.socketpair()
        for each in (self._alarm, self._signals):
            each.setblocking(False)
        self._told_to_end = False

    def run(self) -> None:
        """Until nobody is there who could open anything, and nothing is open."""
        signal.set_wakeup_fd(self._signals.fileno())  # a signal alone does not end a wait
        signal.signal(signal.SIGTERM, self._end_soon)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        while not self._told_to_end:
            left = self._sweeper.turn()
            if left is None and self._sweeper.alone:
                return
            self._listen(self._longest if left is None else min(left, self._longest))
        limit = time.monotonic() + _ENDING
        while not self._sweeper.end_everything() and time.monotonic() < limit:
            time.sleep(AGAIN)

    def _listen(self, seconds: float) -> None:
        heard = [self._alarm] if self._sweeper.alone else [self._alarm, self._channel]
        ready, _, _ = select.select(heard, [], [], seconds)
        if self._channel in ready:
            try:
                data = self._channel.recv(_PIECE)
            except OSError:
                data = b""
            self._sweeper.alone = not data

    def _end_soon(self, number: int, frame: object) -> None:
        self._told_to_end = True


def main(argv: Sequence[str]) -> None:
    """``argv``: the number of a socket to the server, and an order."""
    channel = socket.socket(fileno=int(argv[0]))
    settings, path = ordered(argv[1])
    tool = tool_for(settings, SystemPrograms())
    longest = max(LONGEST_WAIT, tool.look_every)
    Loop(channel, Sweeper(tool, Lock(path), SystemClock()), longest).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing that could still wait for anybody
