"""Whose turn it is to change a file, where several processes change one.

In here: waiting at the folder of the file.
Not in here: reading and writing the file (files).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from watchword.edges.files import folder_of, refused
from watchword.edges.portable import FilePath, flags

PATIENCE = 5.0  # seconds for one's turn; whoever has it writes a small file and is done


@contextmanager
def turn(path: FilePath) -> Iterator[None]:
    """Wait for one's turn at the folder of a file.

    Nobody waits where there are no such locks: on Windows, and of folders on some network
    file systems.
    """
    try:
        import fcntl  # noqa: PLC0415  (Windows has none)
    except ImportError:
        yield
        return
    try:
        descriptor = os.open(folder_of(path), flags("RDONLY", "DIRECTORY", "CLOEXEC"))
    except (OSError, ValueError) as error:
        raise refused(path, error) from error
    try:
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > ends:
                    raise refused(path, error) from error
                time.sleep(0.005)
            except OSError:  # NFS locks no folder (EBADF), others nothing at all
                break
        yield
    finally:
        os.close(descriptor)
