"""Reads an operator's files, and writes files that hold secrets.

In here: reading with a limit and without ever waiting, the complaints about
open permissions, listing a folder, crash-safe private writing.
Not in here: what the text means (dialects), the database (edges.replay).

A private file has mode 0600 from the call that creates it, whatever the umask
allows, and is whole or not there at all. What is done with paths here is done with
``os.path``: the client starts without ``pathlib``.
"""

from __future__ import annotations

import os
import stat

from watchword.edges.portable import FilePath, flags, link_new, own_user
from watchword.errors import HostError, OperatorError, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

TEXT_LIMIT = 8 << 20  # bytes; an access.conf of 10,000 stanzas with generated keys has 3 MB
_READ = flags("RDONLY", "NONBLOCK", "CLOEXEC", "NOCTTY")
_CREATE = flags("WRONLY", "CREAT", "EXCL", "NOFOLLOW", "CLOEXEC")
_Step: TypeAlias = "Callable[[FilePath, FilePath], None]"


def read_text(path: FilePath, limit: int = TEXT_LIMIT) -> str:
    """Read a whole text file of the operator's. Symbolic links are followed.

    Bytes that are not UTF-8 come back as surrogates (``surrogateescape``), so
    that a passphrase in another encoding can be restored byte for byte.

    Raises OperatorError as ``read_bytes`` does.
    """
    return read_bytes(path, limit).decode("utf-8", "surrogateescape")


def read_bytes(path: FilePath, limit: int) -> bytes:
    """Read a whole file of the operator's. Symbolic links are followed.

    Raises OperatorError if it is missing, not to be read, no regular file (a
    FIFO is refused, never waited for) or longer than ``limit`` bytes.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # before opening: a device may act on it
            raise _unusable(path, "is not a regular file", "name a file")
        content = _read(path, limit)
    except FileNotFoundError as error:
        raise _unusable(path, "does not exist", "create it, or name another file") from error
    except PermissionError as error:
        raise _unusable(path, "may not be read", "give this user permission to read it") from error
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {_reason(error)}", "name a text file") from error
    if len(content) > limit:
        raise _unusable(
            path, f"is larger than {limit} bytes", "name a smaller file: is it the right one?"
        )
    return content


def list_folder(path: Path) -> Sequence[Path]:
    """Everything that lies in a folder, sorted by name.

    Raises OperatorError if it is missing, no folder, or not to be read.
    """
    try:
        return sorted(path.iterdir())
    except FileNotFoundError as error:
        raise _unusable(path, "does not exist", "create it, or name another folder") from error
    except NotADirectoryError as error:
        raise _unusable(path, "is not a folder", "name the folder the file lies in") from error
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be listed: {_reason(error)}", "check it") from error


def replace_private(path: FilePath, content: bytes, *, lasting: bool = True) -> None:
    """Put a file in place of an older one, if any, as one step that survives power loss.

    The new file is ours and 0600, whatever the old one was. A symbolic link
    of our own is followed and kept, somebody else's is refused.

    ``lasting`` False: the disk, which may take longer than all else, is not waited for;
    after a loss of power the file may be the old one or empty.

    Raises HostError: the old file is untouched and nothing new is left behind.
    """
    try:
        _put(_behind_our_link(path), content, os.replace, lasting=lasting)
    except (OSError, ValueError) as error:
        raise refused(path, error) from error


def change_private(path: FilePath, change: Callable[[bytes], bytes], limit: int) -> None:
    """Replace a file by what becomes of its content; a missing one is empty.

    Of several that do this at once, each sees what the one before it wrote: they
    wait for each other at the folder, for ``turns.PATIENCE`` seconds at the most.

    Raises OperatorError for a file that ``read_bytes`` refuses, HostError if
    it cannot be written or another one does not finish; the file is then what it was.
    """
    from watchword.edges.turns import turn  # noqa: PLC0415  (after the packet, if at all)

    with turn(path):
        try:
            os.stat(path)
        except FileNotFoundError:
            before = b""
        except (OSError, ValueError) as error:
            raise refused(path, error) from error
        else:
            before = read_bytes(path, limit)
        replace_private(path, change(before))


def create_private(path: FilePath, content: bytes) -> bool:
    """Create a file, whole or not at all; False if something of that name exists already.

    Raises HostError: nothing new is left behind.
    """
    try:
        _put(path, content, link_new)
    except FileExistsError:
        return False
    except (OSError, ValueError) as error:
        raise refused(path, error) from error
    return True


def sync_folder(path: FilePath) -> None:
    """Make names that were just created or replaced in a folder survive power loss.

    Windows opens no folders, and sees to that itself.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    folder = os.open(path, flags("RDONLY", "DIRECTORY", "CLOEXEC"))
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: FilePath, limit: int) -> bytes:
    descriptor = os.open(path, _READ)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # exchanged since we looked
            raise _unusable(path, "is not a regular file", "name a text file")
        return file.read(limit + 1)


def _put(path: FilePath, content: bytes, into_place: _Step, *, lasting: bool = True) -> None:
    """Write beside the target, then move: no reader ever sees half a file."""
    beside = os.path.join(folder_of(path), f".{os.path.basename(path)}.{os.urandom(6).hex()}")
    try:
        _write_new(beside, content, lasting=lasting)
        into_place(beside, path)
        if lasting:
            sync_folder(folder_of(path))
    finally:
        _remove(beside)


def _remove(path: FilePath) -> None:
    """What is not there, or cannot be removed, is left."""
    try:
        os.unlink(path)
    except OSError:
        return


def _write_new(path: FilePath, content: bytes, *, lasting: bool) -> None:
    with open(os.open(path, _CREATE, 0o600), "wb") as file:
        file.write(content)
        if lasting:
            file.flush()
            os.fsync(file.fileno())


def _behind_our_link(path: FilePath) -> FilePath:
    if not os.path.islink(path):
        return path
    if own_user() not in (None, os.lstat(path).st_uid):
        raise PermissionError("it is somebody else's symbolic link")
    return os.path.realpath(path)


def folder_of(path: FilePath) -> str:
    """Where a file lies."""
    return os.path.dirname(path) or os.curdir


def _unusable(path: FilePath, what: str, remedy: str) -> OperatorError:
    return OperatorError(what, place=Place(str(path), 0), hint=remedy)


def refused(path: FilePath, error: OSError | ValueError) -> HostError:
    """What to say of a file that cannot be written."""
    hint = f"check permissions and free space of {folder_of(path)}"
    return HostError(f"{path}: cannot be written: {_reason(error)}", hint=hint)


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def is_private_folder(path: FilePath) -> bool:
    """Whether nobody but root and our own user can write there; False if it cannot be told."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_uid in (0, own_user()) and not found.st_mode & 0o022
