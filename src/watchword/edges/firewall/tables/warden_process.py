"""The warden as a process of its own, which outlives the daemon.

In here: its start, its loop, what it is asked and answers, its end. Not in
here: what it does (warden), the daemon's side (ward).

When the daemon is gone, however it went, the warden goes on until the last
opening has ended, and then ends itself. Told to end, it takes out what is
still open first: nothing stays that nobody would end.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from watchword.edges.firewall.heir_loop import Word
from watchword.edges.firewall.tables.listing import Listing, parse
from watchword.edges.firewall.tables.messages import Decoder, encode, unpacked
from watchword.edges.firewall.tables.standing import RefusedError, StandingRestore
from watchword.edges.firewall.tables.tools import program, restoring
from watchword.edges.firewall.tables.warden import Warden
from watchword.edges.firewall.tables.watch import watch_for
from watchword.errors import HostError

LOOK_EVERY = 0.5
"""Seconds between two looks whether others changed something; a look costs a system call or two."""
LONGEST_WAIT = 1.0
"""Seconds: waiting is not counted while the machine sleeps, so it is cut into pieces."""
_PIECE = 1 << 18
_SEND_SECONDS = 10.0
_LIST_SECONDS = 5.0
"""Nothing ends meanwhile."""


class WardenProcess:
    """A warden, and the daemon at the other end of a socket."""

    def __init__(
        self,
        channel: socket.socket,
        bell: socket.socket,
        warden: Warden,
        versions: Collection[int],
    ) -> None:
        """``channel``: for questions and answers. ``bell``: rung when others did something."""
        self._channel: socket.socket | None = channel
        self._channel.settimeout(_SEND_SECONDS)
        self._bell = bell
        self._bell.setblocking(False)
        self._warden = warden
        self._versions = versions
        self._decoder = Decoder()
        self._word = Word()
        self._told_of_disturbance = False

    def run(self) -> None:
        """Until nobody asks any more and nothing is open."""
        self._word.heed()
        while self._channel is not None or len(self._warden.holdings):
            if self._word.said:
                self._end_everything()
                return
            self._listen(self._pause())
            self._warden.end(self._now())
            if self._channel is not None:
                self._look()

    def _listen(self, seconds: float) -> None:
        heard = [self._word.bell, *([self._channel] if self._channel is not None else [])]
        ready, _, _ = select.select(heard, [], [], seconds)
        if self._channel is None or self._channel not in ready:
            return
        try:
            data = self._channel.recv(_PIECE)
        except OSError:
            data = b""
        if not data:
            self._let_go()
            return
        for message in self._decoder.feed(data):
            self._say(self._answer(message))

    def _answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        warden = self._warden
        try:
            match message["do"]:
                case "change":
                    warden.change(message["take"], unpacked(message["put"]))
                case "hold":
                    warden.holdings.drop(message["drop"])
                    warden.holdings.hold(unpacked(message["put"]))
                case "dismiss":
                    warden.holdings.drop(list(warden.holdings.names()))
                case "forget":
                    warden.forget()
                    self._told_of_disturbance = False
                    self._start()
                case "look":
                    return {"answer": warden.look()}
        except HostError as error:
            return {"error": str(error), "hint": error.hint}
        return {"answer": True}

    def _start(self) -> None:
        """So that the first caller does not wait for it."""
        for version in self._versions:
            with contextlib.suppress(RefusedError):
                self._warden.stand_ready(version)

    def _look(self) -> None:
        self._warden.read_ahead()
        if self._warden.disturbed and not self._told_of_disturbance:
            self._told_of_disturbance = True
            with contextlib.suppress(OSError):  # full: it rings already
                self._bell.send(b"!")

    def _say(self, message: Mapping[str, Any]) -> None:
        if self._channel is not None:
            try:
                self._channel.sendall(encode(message))
            except OSError:
                self._let_go()

    def _let_go(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._bell.close()

    def _pause(self) -> float:
        end = self._warden.holdings.next_end()
        longest = LOOK_EVERY if self._channel is not None else LONGEST_WAIT
        return longest if end is None else min(longest, max(0.0, end - self._now()))

    def _end_everything(self) -> None:
        limit = time.monotonic() + _SEND_SECONDS
        while len(self._warden.holdings) and time.monotonic() < limit:
            self._warden.holdings.again(list(self._warden.holdings.names()), self._now())
            self._warden.end(self._now())
            if len(self._warden.holdings):
                time.sleep(LOOK_EVERY)

    def _now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # as edges.clock counts


def main(argv: Sequence[str]) -> None:
    """``argv``: the numbers of two sockets to the daemon, and an order."""
    channel, bell = (socket.socket(fileno=int(each)) for each in argv[:2])
    told = json.loads(argv[2])
    exe, chains = told["exe"], {(ver, table): set(names) for ver, table, names in told["chains"]}
    restores = {
        version: StandingRestore(restoring(exe, version), os.environ, **told["pace"])
        for version in sorted({version for version, _ in chains})
    }
    try:
        watch = watch_for(chains, legacy=told["legacy"], everything=told["everything"])
    except HostError as error:  # for whoever asks first
        channel.sendall(encode({"error": str(error), "hint": error.hint}))
        return
    warden = Warden(chains.keys(), restores, _lister(exe), watch, prepend=told["prepend"])
    WardenProcess(channel, bell, warden, restores.keys()).run()
    for each in restores.values():
        each.close()


def _lister(exe: str) -> Callable[[int, str], Listing]:
    """Not by edges.programs, which would double what this process holds in memory."""

    def listed(version: int, table: str) -> Listing:
        argv = [program(exe, version, "-save"), "-t", table]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIST_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise HostError(f"{argv[0]}: {error}") from error
        return parse(done.stdout.decode("utf-8", "replace"))

    return listed


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing that could still wait for anybody
