"""The three standard streams of a command, as whoever started it left them.

In here: streams that are closed, output that cannot be written, and what a terminal may be
sent beside text.
Not in here: what is printed.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TextIO

_OF_WRITING: Final = frozenset(
    getattr(errno, name, 0) for name in ("EPIPE", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EBADF")
)
"""What writing can end in. Everything else that touches files says it as a HostError."""


def open_closed() -> None:
    """Put the null device where a standard stream is closed.

    Otherwise the next thing that is opened would be taken for it, a socket for example.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free is this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def output_lost(error: OSError) -> str | None:
    """Whether this error was one of writing to standard output; what to say of it, if anything.

    None: it was not, and is to be raised again. Empty: whoever read it has gone, and nothing
    has to be said. Output is lost from now on, so that ending the process fails no more.
    """
    if error.filename is not None or error.errno not in _OF_WRITING:
        return None
    from contextlib import suppress  # noqa: PLC0415  (few runs need it)

    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return ""
    return f"standard output cannot be written: {error.strerror}"


def colours(stream: TextIO) -> bool:
    """Whether text may be coloured: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return moves(stream) and not os.environ.get("NO_COLOR")


def moves(stream: TextIO) -> bool:
    """Whether a line may be overwritten: on a terminal that is more than a printer."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
