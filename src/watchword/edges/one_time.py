"""Marks a line of a one-time file as used, for good.

In here: overwriting one byte, seeing to it that it is on the disk.
Not in here: which byte (dialects.knockd.one_time).

A single byte is written in place: it is there or it is not, whatever happens,
and a full disk has room for it. Owner, mode and links of the file stay as they
are. If the file was replaced meanwhile, the new one is marked too.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchword.errors import HostError

LIMIT: Final = 8 << 20
"""Bytes of a file."""
_MARK: Final = b"#"
_TRIES: Final = 5


def mark(path: str, place_of: Callable[[bytes], int | None]) -> bool:
    """Overwrite the byte that ``place_of`` finds in the content; False: it finds none.

    When this returns the mark survives a loss of power. Raises HostError: it
    could not be written.
    """
    try:
        for _ in range(_TRIES):
            found = _mark_once(path, place_of)
            if found is not None:
                return found
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "the file has to be writable, and a regular one"
        raise HostError(f"{path}: cannot be marked: {reason}", hint=hint) from error
    raise HostError(f"{path}: is being replaced again and again", hint="let it be for a moment")


def _mark_once(path: str, place_of: Callable[[bytes], int | None]) -> bool | None:
    """None: another file has taken its place meanwhile."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LIMIT:
            raise ValueError("it is no regular file, or too large")
        place = place_of(os.pread(descriptor, LIMIT, 0))
        if place is not None:
            os.pwrite(descriptor, _MARK, place)
            os.fsync(descriptor)
        now = Path(path).stat()
        if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
            return None
        return place is not None
    finally:
        os.close(descriptor)
