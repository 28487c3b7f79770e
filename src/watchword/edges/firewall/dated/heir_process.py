"""The process that ends rules when the server is dead, or does not get round to it.

In here: its parts. Not in here: which rules are over (sweeper), its loop (heir_loop), how it is
started (heir).

It knows nothing but what the rules say, and a file of those that end later than they say: nothing
is lost with whoever put them in.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from watchword.edges.clock import SystemClock
from watchword.edges.firewall.dated.heir import ordered
from watchword.edges.firewall.dated.lock import Lock
from watchword.edges.firewall.dated.sweeper import Sweeper
from watchword.edges.firewall.dated.tools import tool_for
from watchword.edges.firewall.heir_loop import LONGEST_WAIT, Loop
from watchword.edges.programs import SystemPrograms


def main(argv: Sequence[str]) -> None:
    """``argv``: the number of a socket to the server, and an order."""
    channel = socket.socket(fileno=int(argv[0]))
    settings, path = ordered(argv[1])
    tool = tool_for(settings, SystemPrograms(), path.parent)
    longest = max(LONGEST_WAIT, tool.look_seldom)
    Loop(channel, Sweeper(tool, Lock(path), SystemClock()), longest).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing that could still wait for anybody
