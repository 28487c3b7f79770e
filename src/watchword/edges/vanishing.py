"""Hears that something was taken out of folders, without looking all the time (inotify).

In here: the kernel's news of folders: a name removed or moved away, the folder itself gone.
Not in here: what was in them, what is done about it (service.daemon.run_files).

The news only say that something may be gone.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchword.errors import HostError

_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_MOVED_FROM, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x40, 0x200, 0x400, 0x800
_GONE: Final = _MOVED_FROM | _DELETE | _DELETE_SELF | _MOVE_SELF
_NEWS: Final = 1 << 16
_MOST_NEWS: Final = 100


class Vanishing:
    """A descriptor that becomes readable when something may be gone."""

    def __init__(self) -> None:
        """Raises HostError: the kernel has no room for it."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.inotify_init1(_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise _trouble("cannot follow what is removed", "fs.inotify.max_user_instances")

    def watch(self, folders: Iterable[Path]) -> None:
        """Hear of these as well, if they are there; again, where they were made anew.

        Raises HostError: the kernel has no room for it.
        """
        for each in folders:
            if self._libc.inotify_add_watch(self.descriptor, os.fsencode(each), _GONE) >= 0:
                continue
            if ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
                raise _trouble(
                    f"cannot follow what is removed in {each}", "fs.inotify.max_user_watches"
                )

    def hear(self) -> None:
        """Take all news."""
        with suppress(BlockingIOError):
            for _ in range(_MOST_NEWS):
                os.read(self.descriptor, _NEWS)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _trouble(what: str, limit: str) -> HostError:
    number = ctypes.get_errno()
    hint = f"raise {limit}" if number in (errno.ENOSPC, errno.EMFILE) else ""
    return HostError(f"{what}: {os.strerror(number)}", hint=hint)
