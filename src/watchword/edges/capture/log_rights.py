"""Who may write what is read as the kernel's log: whoever may can knock for anybody.

In here: making the pipe, opening pipe and file, looking at owner and mode.
Not in here: reading (hit_log), whose a line is (wire.kernel_log).
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchword.errors import HostError

_OTHERS_WRITE: Final = 0o022
_SYSLOG: Final = ("root", "syslog")
"""Whose log files are, on the distributions."""


def opened_pipe(path: Path) -> int:
    """A descriptor of the named pipe that syslog writes to, which is made where there is none,
    with its folder.

    It is open for writing as well, so that there is no end where no syslog runs. Raises OSError;
    HostError: it is something else, or others may write to it.
    """
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags)
    return _checked(descriptor, path, "named pipe", stat.S_ISFIFO)


def opened_log(path: Path) -> int:
    """A descriptor of a log file, to read. Raises OSError; HostError as ``opened_pipe``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return _checked(descriptor, path, "regular file", stat.S_ISREG)


def _checked(descriptor: int, path: Path, kind: str, is_kind: Callable[[int], bool]) -> int:
    about = os.fstat(descriptor)
    why = hint = ""
    if not is_kind(about.st_mode):
        why = f"is no {kind}"
        hint = "see which file syslog writes to, or remove it"
    elif about.st_mode & _OTHERS_WRITE:
        why = f"can be written by others than its owner (mode {stat.S_IMODE(about.st_mode):04o})"
        hint = f"who can write there can knock for anybody: chmod go-w {path}"
    elif about.st_uid != os.geteuid() and _name(about.st_uid) not in _SYSLOG:
        why = f"belongs to {_name(about.st_uid)}"
        hint = f"who can write there can knock for anybody: chown root {path}"
    if why:
        os.close(descriptor)
        raise HostError(f"{path} {why}: no knocks are taken from it", hint=hint)
    return descriptor


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
