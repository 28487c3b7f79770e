"""Who may touch what a server keeps on disk, and how much room is left there.

In here: modes and owners of a path and of the folders above it, free space.
Not in here: which paths matter, what it means (service.doctor.server_diagnosis).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from watchword.record import record


@record
class Looseness:
    """Others than root and ourselves may do something to a path."""

    path: Path
    readable: bool
    """By others than the owner."""
    writable: bool
    """By others than the owner, or the owner is somebody else."""


@record
class Room:
    """Of the file system that a folder is on."""

    free: int
    """Bytes that we may still use."""
    names: int | None
    """Files that may still be made; None: as many as fit."""


def looseness(path: Path) -> Looseness | None:
    """None: only root and our own user may touch it, or it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    foreign = found.st_uid not in (0, os.geteuid())
    writable = foreign or bool(found.st_mode & 0o022)
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX and not foreign:
        writable = False  # sticky, as /tmp: what is in there can be exchanged by its owner only
    readable = bool(found.st_mode & 0o044)
    return Looseness(path, readable, writable) if readable or writable else None


def loose_folders(path: Path) -> Iterator[Path]:
    """Folders on the way to a path in which somebody else could exchange what we read."""
    for folder in path.absolute().parents:
        found = looseness(folder)
        if found is not None and found.writable:
            yield folder


def room(folder: Path) -> Room | None:
    """How much fits; of the nearest folder above that is there. None: it cannot be told."""
    for each in (folder, *folder.absolute().parents):
        try:
            found = os.statvfs(each)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        names = found.f_favail if found.f_files else None
        return Room(found.f_bavail * found.f_frsize, names)
    return None
