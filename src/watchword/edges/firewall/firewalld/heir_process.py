"""The process that ends rules when the server is dead, or firewalld, or both.

In here: its parts, and what it does in its turn. Not in here: what there is to end (pending), how
(ending), its loop (heir_loop).

It ends everything when its time is up, whoever else does so as well: the server, and firewalld
by its own timers.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.firewalld.ending import Ending
from watchword.edges.firewall.firewalld.kernel import KernelRules
from watchword.edges.firewall.firewalld.pending import Pending, Will
from watchword.edges.firewall.firewalld.system_bus import bus_environment
from watchword.edges.firewall.firewalld.talk import NotRunningError
from watchword.edges.firewall.firewalld.ways import way_to
from watchword.edges.firewall.heir_loop import Loop
from watchword.edges.programs import SystemPrograms
from watchword.errors import HostError


class Executor:
    """Ends what is pending."""

    def __init__(self, ending: Ending, steady: Callable[[], float]) -> None:
        self.alone = False
        """The server is gone."""
        self._pending = Pending()
        self._ending = ending
        self._steady = steady

    def turn(self) -> float | None:
        """End what is over. Returns the seconds until there is more; None: nothing is left."""
        for will in self._pending.due(self._steady()):
            self._end(will)
        due = self._pending.next()
        return None if due is None else max(0.0, due - self._steady())

    def hear(self, data: bytes) -> None:
        """Some bytes of what the server tells."""
        self._pending.hear(data)

    def end_everything(self) -> bool:
        """Whatever its time; return whether nothing is left."""
        for will in self._pending.all():
            self._end(will)
        return not self._pending.all()

    def _end(self, will: Will) -> bool:
        try:
            self._ending.take(will.rule, will.zones)
            if self.alone:  # else the server has done it when firewalld came back
                self._sweep(will)
        except HostError:
            self._pending.put_off(will.rule, self._steady())
            return False
        self._pending.forget(will.rule)
        return True

    def _sweep(self, will: Will) -> None:
        with suppress(NotRunningError):
            self._ending.sweep([will.rule.hole], will.zones)


def main(argv: Sequence[str]) -> None:
    """``argv``: the number of a socket to the server, and firewall-cmd."""
    channel = socket.socket(fileno=int(argv[0]))
    programs = SystemPrograms(bus_environment())
    clock = SystemClock()
    ending = Ending(way_to(argv[1], programs), KernelRules(programs))
    Loop(channel, Executor(ending, lambda: clock.now().steady)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing that could still wait for anybody
