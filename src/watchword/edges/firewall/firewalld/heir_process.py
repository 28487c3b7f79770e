"""The process that ends rules when the server is dead, or firewalld, or both.

In here: its start, its loop, its end. Not in here: what there is to end (pending), how (ending).

It ends everything when its time is up, whoever else does so as well: the server, and firewalld
by its own timers. It ends itself when the server is gone and nothing is left. Told to end, it
takes out first what is still open.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.pending import AGAIN, Pending, Will
from watchword.edges.firewall.firewalld.talk import NotRunningError
from watchword.edges.firewall.firewalld.ways import bus_environment, way_to
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError

LONGEST_WAIT = 10.0
"""Seconds between two looks: waiting is not counted while the machine sleeps."""
_PIECE = 1 << 18
_ENDING = 10.0  # seconds


class Loop:
    """What is pending, and the server at the other end of a socket."""

    def __init__(self, channel: socket.socket, ending: Ending, steady: Callable[[], float]) -> None:
        self.pending = Pending()
        self._channel = channel
        self._ending = ending
        self._steady = steady
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
            for will in self.pending.due(self._steady()):
                self._end(will)
            due = self.pending.next()
            if due is None and self.pending.alone:
                return
            self._listen(LONGEST_WAIT if due is None else due - self._steady())
        limit = time.monotonic() + _ENDING
        while self.pending.all() and time.monotonic() < limit:
            ended = [self._end(will) for will in self.pending.all()]
            if not all(ended):
                time.sleep(AGAIN)

    def _end(self, will: Will) -> bool:
        try:
            self._ending.take(will.rule, will.zones)
            if self.pending.alone:  # else the server has done it when firewalld came back
                self._sweep(will)
        except HostError:
            self.pending.put_off(will.rule, self._steady())
            return False
        self.pending.forget(will.rule)
        return True

    def _sweep(self, will: Will) -> None:
        with suppress(NotRunningError):
            self._ending.sweep([will.rule.hole], will.zones)

    def _listen(self, seconds: float) -> None:
        heard = [self._alarm] if self.pending.alone else [self._alarm, self._channel]
        ready, _, _ = select.select(heard, [], [], max(0.0, min(seconds, LONGEST_WAIT)))
        if self._channel in ready:
            try:
                data = self._channel.recv(_PIECE)
            except OSError:
                data = b""
            self.pending.hear(data)
            self.pending.alone = not data

    def _end_soon(self, number: int, frame: object) -> None:
        self._told_to_end = True


def main(argv: Sequence[str]) -> None:
    """``argv``: the number of a socket to the server, and firewall-cmd."""
    channel = socket.socket(fileno=int(argv[0]))
    programs = SystemPrograms(bus_environment())
    clock = SystemClock()
    ending = Ending(way_to(argv[1], programs), KernelRules(programs))
    Loop(channel, ending, lambda: clock.now().steady).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing that could still wait for anybody
