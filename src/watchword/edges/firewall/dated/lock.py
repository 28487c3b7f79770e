"""Has one process at a time change rules.

In here: a lock on a file. Not in here: what is done while it is held (backend, sweeper).

The daemon and whoever ends rules after it read them, and change what they read: not both at once.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchword.errors import HostError

LONGEST_WAIT = 60.0
"""Seconds; whoever holds it runs programs that may take ten."""
_AGAIN = 0.01


class Lock:
    """On one file, for threads and processes alike; it ends with whoever holds it."""

    def __init__(self, path: Path, *, steady: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._steady = steady

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises HostError: there can be no such file, or somebody has it for too long."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            number = os.open(self.path, flags, 0o600)
        except FileNotFoundError:  # no directory: no server has ever run, and nobody holds it
            yield
            return
        except OSError as error:
            raise HostError(f"{self.path}: {error.strerror}", hint="see STATE_DIR") from error
        try:
            self._take(number)
            yield
        finally:
            os.close(number)

    def _take(self, number: int) -> None:
        limit = self._steady() + LONGEST_WAIT
        while True:
            try:
                return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if self._steady() > limit:
                    raise HostError(
                        f"{self.path} is held by another process for too long",
                        hint="see which: fuser, or fstat",
                    ) from error
            time.sleep(_AGAIN)
