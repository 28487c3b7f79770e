"""What SQLite and the system say when something is wrong, as an error with a remedy.

In here: codes to words, and who holds a lock.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from watchword.errors import HostError

KEPT = "nothing was deleted or overwritten"
_NEVER_EMPTY = (
    "restore it from a backup; if there is none, move it aside by hand: "
    "packets that were accepted before can then be replayed until they are too old"
)
_LOCKS = Path("/proc/locks")


def in_words(path: Path, error: sqlite3.Error | OSError) -> HostError:
    """The HostError for what went wrong with the database at ``path``."""
    if isinstance(error, OSError):
        return HostError(f"{path}: {error.strerror or error}", hint=f"check {path.parent}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        holder = holder_of_lock(path)
        return HostError(f"{path} is locked by {holder}", hint=f"end or finish {holder}")
    what, remedy = _WORDS.get(code, ("cannot be used", "check the disk and its permissions"))
    name = getattr(error, "sqlite_errorname", "no code")
    return HostError(f"{path} {what} ({error}, {name})", hint=remedy.format(path.parent))


def damaged(path: Path, what: str) -> HostError:
    """The HostError for a file that is ours and cannot be trusted any more."""
    return HostError(f"{path} is damaged: {what}; {KEPT}", hint=_NEVER_EMPTY)


def foreign(path: Path, what: str) -> HostError:
    """The HostError for a file that some other program made."""
    hint = "move it away, or name another state directory"
    return HostError(f"{path} {what}; {KEPT}", hint=hint)


def holder_of_lock(path: Path) -> str:
    """Which other process has the database locked, as well as the system can tell."""
    try:
        inodes = {str(os.stat(f"{path}{end}").st_ino) for end in ("", "-shm")}  # noqa: PTH116
        for line in _LOCKS.read_text("ascii").splitlines():
            _, _, _, mode, pid, file, *_ = line.replace("-> ", "").split()
            ours = int(pid) in (os.getpid(), -1)
            if mode == "WRITE" and file.rpartition(":")[2] in inodes and not ours:
                name = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
                return f"process {pid} ({name})"
    except (OSError, ValueError):
        pass
    return "another process"


_WORDS = {
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", "free some space in {}"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk that holds {}"),
    sqlite3.SQLITE_CORRUPT: (f"is damaged; {KEPT}", _NEVER_EMPTY),
    sqlite3.SQLITE_NOTADB: (
        f"is not a SQLite database, or its beginning is damaged; {KEPT}",
        _NEVER_EMPTY,
    ),
    sqlite3.SQLITE_READONLY: ("may not be written", "check the permissions and mount of {}"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check the permissions of {}"),
    sqlite3.SQLITE_PERM: ("may not be opened", "check the permissions of {}"),
}
