"""Hears of changes to a file and to its name, without looking all the time (inotify).

In here: the kernel's news of one file: written, removed, put in place.
Not in here: what is read (file), the news themselves (edges.inotify).

The news only say that something may have changed.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from watchword.edges.inotify import Inotify, trouble
from watchword.errors import HostError

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_NAMES = _CREATE | _MOVED_TO
_LOST = 0x4000  # there were too many
_EVENT = struct.Struct("iIII")


class Changes:
    """A descriptor that becomes readable when the file may have changed."""

    def __init__(self, path: Path) -> None:
        """Raises HostError: its folder does not exist, or the kernel has no room for it."""
        self._name = os.fsencode(path.name)
        self._file = -1
        try:
            self._inotify = Inotify()
        except OSError as error:
            raise _trouble(path.parent, error) from error
        try:
            self._folder = self._watch(path.parent, _NAMES)
        except HostError:
            self.close()
            raise

    @property
    def descriptor(self) -> int:
        return self._inotify.descriptor

    def _watch(self, path: Path, what: int) -> int:
        try:
            return self._inotify.add(path, what)
        except OSError as error:
            raise _trouble(path, error) from error

    def watch(self, path: Path) -> None:
        """Hear of writes to the file that has this name now, and to no other any more."""
        before = self._file
        self._file = self._watch(path, _MODIFY)
        if before not in (-1, self._file):
            self._inotify.remove(before)

    def hear(self) -> bool:
        """Take all news; whether one of them is about our file."""
        ours = [self._is_ours(news) for news in self._inotify.news()]
        return any(ours)

    def _is_ours(self, news: bytes) -> bool:
        ours, at = False, 0
        while at + _EVENT.size <= len(news):
            number, what, _, length = _EVENT.unpack_from(news, at)
            at += _EVENT.size + length
            name = news[at - length : at].rstrip(b"\0")
            ours = ours or bool(what & _LOST) or number != self._folder or name == self._name
        return ours

    def close(self) -> None:
        self._inotify.close()


def _trouble(path: Path, error: OSError) -> HostError:
    return trouble(f"what happens in {path}", error)
