"""Where the database lies, and whether it may be trusted there.

In here: the state directory, the names of files in it, who owns them and who
may write them. Not in here: what is in the database (database).

Nothing in here opens the database: closing any descriptor of it would drop
every lock that SQLite holds in this process.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from watchword.edges.files import sync_folder
from watchword.edges.replay.trouble import damaged
from watchword.errors import HostError

NAME = "watchword.sqlite3"
_BESIDE = ("-wal", "-shm")  # SQLite gives them the mode of the database from their creation


def prepare_folder(folder: Path) -> None:
    """Create the state directory, 0700, where it is missing; refuse one that others may write.

    Raises HostError with a remedy.
    """
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(0o700, exist_ok=True)
            sync_folder(missing.parent)
        status = folder.stat()
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "create it for the user of the daemon, mode 0700"
        raise HostError(f"state directory {folder}: {reason}", hint=hint) from error
    if not stat.S_ISDIR(status.st_mode):
        hint = "move the file away, or name another state directory"
        raise HostError(f"state directory {folder} is not a directory", hint=hint)
    _trusted(folder, status, "0700")


def check(database: Path, owner: int | None = None) -> tuple[int, int]:
    """Refuse a database that somebody else could have written; return device and inode.

    ``owner`` is the user it has to belong to, ourselves unless named.
    Raises HostError with a remedy; also if there is no database.
    """
    try:
        status = _regular(database, owner)
        for end in _BESIDE:
            path = Path(f"{database}{end}")
            if os.path.lexists(path):
                _regular(path, owner)
    except FileNotFoundError as error:
        hint = "restore it from a backup, or restart to begin a new one"
        raise HostError(f"{database} is missing", hint=hint) from error
    except OSError as error:
        raise HostError(f"{database}: {error.strerror or error}", hint="check the path") from error
    if status.st_size == 0:  # ours is complete before it gets its name
        raise damaged(database, "it is empty")
    return status.st_dev, status.st_ino


def _regular(path: Path, owner: int | None) -> os.stat_result:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        raise HostError(f"{path} is {kind}", hint="move it away, or name another state directory")
    _trusted(path, status, "0600", owner)
    return status


def _trusted(path: Path, status: os.stat_result, mode: str, owner: int | None = None) -> None:
    wanted = os.geteuid() if owner is None else owner
    if status.st_uid != wanted:
        hint = f"find out why; then chown it to user id {wanted}"
        raise HostError(f"{path} belongs to user id {status.st_uid}, not {wanted}", hint=hint)
    if status.st_mode & 0o022:
        hint = f"find out why; then chmod {mode} {path}"
        raise HostError(f"{path} can be written by other users", hint=hint)
