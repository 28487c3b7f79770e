"""Who may touch a file that keys stand in, or that is obeyed.

In here: looking at owner and mode. Not in here: reading and writing (files).
"""

from __future__ import annotations

import os
import stat

from watchword.edges.portable import FilePath, own_user
from watchword.errors import Complaint, OperatorError, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def permission_complaints(path: FilePath) -> Sequence[Complaint]:
    """What is wrong with who may touch a file that holds keys, in fwknop's words.

    Nothing for a file that does not exist. Only the complaint about what is
    not a file is fatal (fwknopd server, section 3; client, section 10).
    Raises OperatorError if the file cannot be looked at.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise _unusable(path, f"cannot be examined: {reason}", "check the path") from error
    said = f"[-] file: {path}"
    if not stat.S_ISREG(status.st_mode):
        return (Complaint(f"{said} is not a regular file or symbolic link."),)
    if (user := own_user()) is None:
        return ()  # Windows: the mode says nothing about who may read it
    complaints = []
    if stat.S_IMODE(status.st_mode) != 0o600:
        wanted = "permissions should only be user read/write (0600, -rw-------)"
        complaints.append(Complaint(f"{said} {wanted}", fatal=False))
    if status.st_uid != user:
        foreign = "not owned by current effective user id"
        complaints.append(Complaint(f"{said} {foreign}", fatal=False))
    return complaints


def refuse_foreign_hands(path: FilePath) -> None:
    """Raise OperatorError if somebody else may write what is to be obeyed here.

    That is a file that everybody may write, or that of another user. Root may
    use other users' files: under sudo they are those of whoever types. A file
    that is not there, is no regular file, or cannot be looked at, is left to who reads it.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(status.st_mode) or (user := own_user()) is None:
        return
    if status.st_mode & stat.S_IWOTH:
        raise _unusable(path, "may be written by everybody", f"look at it, then: chmod 600 {path}")
    if user and status.st_uid not in (user, 0):
        raise _unusable(path, "belongs to another user", "use a file of your own")


def _unusable(path: FilePath, what: str, remedy: str) -> OperatorError:
    return OperatorError(what, place=Place(str(path), 0), hint=remedy)
