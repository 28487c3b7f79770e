"""The kernel's news of files and folders (inotify(7)).

In here: a descriptor for it, what is watched, taking the news. Not in here: of what, and what for
(capture.changes, vanishing).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from watchword.errors import HostError

_NEWS: Final = 1 << 16
_MOST_NEWS: Final = 100
_LIMITS: Final = {
    errno.EMFILE: "fs.inotify.max_user_instances",
    errno.ENOSPC: "fs.inotify.max_user_watches",
}


class Inotify:
    """Its descriptor becomes readable when there is news."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise _error()

    def add(self, path: Path, what: int) -> int:
        """Hear of such events there; the number by which they are told. Raises OSError."""
        number: int = self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), what)
        if number < 0:
            raise _error()
        return number

    def remove(self, number: int) -> None:
        self._libc.inotify_rm_watch(self.descriptor, number)

    def news(self) -> Iterator[bytes]:
        """All that there is, a bounded number of pieces."""
        for _ in range(_MOST_NEWS):
            try:
                yield os.read(self.descriptor, _NEWS)
            except BlockingIOError:
                return

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def trouble(what: str, error: OSError) -> HostError:
    """``what`` is that which cannot be followed."""
    limit = _LIMITS.get(error.errno or 0)
    hint = f"raise {limit}" if limit else ""
    return HostError(f"cannot follow {what}: {error.strerror}", hint=hint)
