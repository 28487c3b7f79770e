"""A runner of programs that keeps to a pace: a limit, pauses between programs, more tries.

In here: when the next program may begin, and whether one is run again.
Not in here: running (programs), which variables ask for it (dialects), which programs.

Only a program that said that it failed, or could not be started, is tried again: of one that
was ended nobody knows how far it had come. Whoever waits for the pause waits in earnest, as
with fwknop 1.9.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from watchword.errors import HostError
from watchword.model.commands import Account
from watchword.model.daemon_events import ProgramRan
from watchword.model.firewalls import ProgramPace
from watchword.ports import Completed, NotStartedError, ProgramRunner

_TOLD: Final = 16_384  # bytes of what a program says that are told on


class PacedPrograms:
    """Runs programs by another runner, one at a time."""

    def __init__(
        self,
        programs: ProgramRunner,
        pace: ProgramPace,
        *,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        told: Callable[[ProgramRan], None] | None = None,
    ) -> None:
        """``told`` hears of each program that ended, in whichever thread that was."""
        self._told = told
        self._programs = programs
        self._pace = pace
        self._steady = steady
        self._sleep = sleep
        self._lock = threading.Lock()
        self._ended = float("-inf")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        seconds: float = 10.0,
        account: Account | None = None,
    ) -> Completed:
        """As ``ProgramRunner`` says. The pace's own limit counts, if it has one."""
        limit = self._pace.seconds or seconds
        with self._lock:
            for left in reversed(range(self._pace.tries)):
                try:
                    done = self._once(argv, stdin, limit, account)
                except NotStartedError:
                    if not left:
                        raise
                else:
                    if not (done.status and left):
                        return done
        raise HostError(f"{argv[0]}: it may not be tried even once")

    def _once(
        self, argv: Sequence[str], stdin: bytes, seconds: float, account: Account | None
    ) -> Completed:
        if (wait := self._ended + self._pace.pause - self._steady()) > 0:
            self._sleep(wait)
        try:
            done = self._programs.run(argv, stdin=stdin, seconds=seconds, account=account)
        finally:
            self._ended = self._steady()
        if self._told is not None:
            said = (done.stdout + done.stderr)[:_TOLD].decode("utf-8", "replace")
            self._told(ProgramRan(tuple(argv), done.status, said))
        return done


_: type[ProgramRunner] = PacedPrograms
