"""Unix sockets at paths that are longer than the kernel takes.

In here: what to say to the kernel instead. Not in here: sockets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LONGEST: Final = 107
"""Bytes of a path that ``bind`` and ``connect`` take (unix(7))."""


@contextmanager
def reached(path: Path) -> Iterator[str]:
    """The path, or where it is too long, another to the same file, good as long as this lasts.

    Raises OSError: the folder of a longer one cannot be opened.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
