"""Writes a packet, a key file or kept options to the file that a user named.

In here: what differs from the private files of ``edges.files``: devices and
pipes may be named (``/dev/stdout``, ``/dev/null``), and are written to, never
replaced.
"""

from __future__ import annotations

import os
import stat

from watchword.edges.files import replace_private
from watchword.edges.portable import FilePath, flags
from watchword.errors import HostError

_FLAGS = flags("WRONLY", "CREAT", "APPEND", "CLOEXEC", "NOCTTY", "NONBLOCK")
"""A pipe that nobody reads is an error, and is not waited for."""


def write_private(path: FilePath, content: bytes, *, lasting: bool = True) -> None:
    """Make this the content of a file, 0600 from the first; a device is just written to.

    ``lasting`` as for ``files.replace_private``. Raises HostError.
    """
    if _is_regular_or_missing(path):
        replace_private(path, content, lasting=lasting)
    else:
        _append(path, content)


def append_private(path: FilePath, content: bytes) -> None:
    """Add to the end of a file; a new one is 0600. Raises HostError."""
    _append(path, content)


def _is_regular_or_missing(path: FilePath) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _append(path: FilePath, content: bytes) -> None:
    try:
        with open(os.open(path, _FLAGS, 0o600), "wb") as file:
            file.write(content)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _refused(path: FilePath, error: OSError | ValueError) -> HostError:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return HostError(f"{path}: {reason}", hint="check the path, its permissions and free space")
