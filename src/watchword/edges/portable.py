"""What the systems that the client runs on do not all have, asked for in one place.

In here: flags of files, the user's number, giving a file a name that must be new.
Not in here: prompts (terminal, terminal_windows), whatever only the server needs.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

FilePath: TypeAlias = str | os.PathLike[str]


def flags(*names: str) -> int:
    """Flags for ``os.open`` by their names without ``O_``, those that this system has.

    Where a system tells text from bytes, bytes are meant.
    """
    return sum(getattr(os, f"O_{name}", 0) for name in (*names, "BINARY"))


def own_user() -> int | None:
    """The number of the effective user; None where files belong to nobody that can be told."""
    ask = getattr(os, "geteuid", None)
    return None if ask is None else int(ask())


def link_new(beside: FilePath, path: FilePath) -> None:
    """Give a finished file a name that nothing has yet.

    Raises FileExistsError if something has it, OSError.
    """
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # FAT has no hard links, and Android allows none: take the name, then fill it
        os.close(os.open(path, flags("WRONLY", "CREAT", "EXCL", "NOFOLLOW", "CLOEXEC"), 0o600))
        os.replace(beside, path)
