"""Writes what is remembered into a file that fwknopd reads: its digest.cache.

In here: the file, which is there whole or not at all. Not in here: its lines (digest_cache),
where they come from (reading), giving up what is in it (sqlite).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from watchword.edges.files import sync_folder
from watchword.errors import HostError


def write(path: Path, lines: Iterable[str]) -> int:
    """Put lines, a header first, into a file, mode 0600, in place of one that is there.

    Returns how many there are behind the header. Line by line, as there may be a million. Raises
    HostError: what was there before is there still.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(fresh, flags, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
            count = -1
            for count, line in enumerate(lines):  # noqa: B007 - the last one counts
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise HostError(f"cannot write {path}: {error.strerror}") from error
    return count
