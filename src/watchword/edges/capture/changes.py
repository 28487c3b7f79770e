"""Hears of changes to a file and to its name, without looking all the time (inotify).

In here: the kernel's news of one file: written, removed, put in place.
Not in here: what is read (file).

The news only say that something may have changed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

from watchword.errors import HostError

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_NAMES = _CREATE | _MOVED_TO
_LOST = 0x4000  # there were too many
_EVENT = struct.Struct("iIII")
_NEWS = 1 << 16
_MOST_NEWS = 100


class Changes:
    """A descriptor that becomes readable when the file may have changed."""

    def __init__(self, path: Path) -> None:
        """Raises HostError: its folder does not exist, or the kernel has no room for it."""
        self._name = os.fsencode(path.name)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = -1
        self.descriptor: int = self._libc.inotify_init1(_NONBLOCK_CLOEXEC)
        if self.descriptor < 0:
            raise _trouble(path.parent, "fs.inotify.max_user_instances")
        try:
            self._folder = self._watch(path.parent, _NAMES)
        except HostError:
            self.close()
            raise

    def _watch(self, path: Path, what: int) -> int:
        number: int = self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), what)
        if number < 0:
            raise _trouble(path, "fs.inotify.max_user_watches")
        return number

    def watch(self, path: Path) -> None:
        """Hear of writes to the file that has this name now, and to no other any more."""
        before = self._file
        self._file = self._watch(path, _MODIFY)
        if before not in (-1, self._file):
            self._libc.inotify_rm_watch(self.descriptor, before)

    def hear(self) -> bool:
        """Take all news; whether one of them is about our file."""
        ours = False
        for _ in range(_MOST_NEWS):
            try:
                news = os.read(self.descriptor, _NEWS)
            except BlockingIOError:
                break
            at = 0
            while at + _EVENT.size <= len(news):
                number, what, _, length = _EVENT.unpack_from(news, at)
                at += _EVENT.size + length
                name = news[at - length : at].rstrip(b"\0")
                ours = ours or bool(what & _LOST) or number != self._folder or name == self._name
        return ours

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _trouble(path: Path, limit: str) -> HostError:
    number = ctypes.get_errno()
    hint = f"raise {limit}" if number in (errno.ENOSPC, errno.EMFILE) else ""
    return HostError(f"cannot follow what happens in {path}: {os.strerror(number)}", hint=hint)
