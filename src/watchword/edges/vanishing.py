"""Hears that something was taken out of folders, without looking all the time (inotify).

In here: the kernel's news of folders: a name removed or moved away, the folder itself gone.
Not in here: what was in them, what is done about it (service.daemon.run_files), the news themselves
(inotify).

The news only say that something may be gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from watchword.edges.inotify import Inotify, trouble

_MOVED_FROM, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x40, 0x200, 0x400, 0x800
_GONE: Final = _MOVED_FROM | _DELETE | _DELETE_SELF | _MOVE_SELF


class Vanishing:
    """A descriptor that becomes readable when something may be gone."""

    def __init__(self) -> None:
        """Raises HostError: the kernel has no room for it."""
        try:
            self._inotify = Inotify()
        except OSError as error:
            raise trouble("what is removed", error) from error

    @property
    def descriptor(self) -> int:
        return self._inotify.descriptor

    def watch(self, folders: Iterable[Path]) -> None:
        """Hear of these as well, if they are there; again, where they were made anew.

        Raises HostError: the kernel has no room for it.
        """
        for each in folders:
            try:
                self._inotify.add(each, _GONE)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise trouble(f"what is removed in {each}", error) from error

    def hear(self) -> None:
        """Take all news."""
        for _ in self._inotify.news():
            pass

    def close(self) -> None:
        self._inotify.close()
