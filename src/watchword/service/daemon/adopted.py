"""A fwknopd that runs already, and that somebody else started.

In here: finding it by the lock that it holds, waiting for its end, signalling it.
Not in here: what becomes of its end (watchdog), the lock (process).

Its exit status is its parent's business; whether it ended well says its PID file, which it
empties when it does.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from watchword.errors import HostError
from watchword.service.daemon import process


class Adopted:
    """One of them, as ``subprocess`` shows a child."""

    def __init__(self, pid: int, pid_file: Path) -> None:
        """Raises OSError: there is no such process."""
        self.pid = pid
        self.returncode: int | None = None
        self._pid_file = pid_file
        self._watch = os.pidfd_open(pid)

    def wait(self) -> int:
        """0: it ended as it was asked to; 1: it did not."""
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        poll.poll()
        self.returncode = 0 if _is_empty(self._pid_file) else 1
        self.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._watch, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        os.close(self._watch)


def running(pid_file: Path) -> Adopted | None:
    """The one that holds the lock on this file, if there is one and it is a fwknopd."""
    try:
        pid = process.server_of(pid_file, "fwknopd")
        if pid is None:
            return None
        found = Adopted(pid, pid_file)
        if process.holder(pid_file) == pid:  # and not one that has got its number since
            return found
        found.close()
    except (HostError, OSError):
        pass  # whoever starts the next one hears what is wrong
    return None


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False
