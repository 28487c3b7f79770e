"""Takes words of a command line out of the process list, where the system allows it.

In here: overwriting them where the kernel shows them from.
Not in here: which words those are (dialects.fwknop.client_last).

On Linux only. Until it is done, other users can read them, and whatever keeps a journal of
started programs has them for good: a key belongs into a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_ARG_START, _ARG_END = 45, 46
"""Fields 48 and 49 of proc(5), counted from the state, which is the third."""
_LONGEST = 4 << 20  # bytes; what is longer is no command line


def hide(texts: Iterable[str]) -> None:
    """Have stars shown for each of these texts, wherever they stand in the arguments.

    Never raises, and may do nothing.
    """
    if sys.platform != "linux":
        return
    secrets = [each.encode("utf-8", "surrogateescape") for each in texts if each]
    with suppress(ImportError, OSError, ValueError, IndexError):
        import ctypes  # noqa: PLC0415  (not in every build)

        began, ended = _place()
        if not 0 < ended - began <= _LONGEST:
            return
        shown = ctypes.string_at(began, ended - began)
        for secret in secrets:
            at = shown.find(secret)
            while at >= 0:
                ctypes.memset(began + at, ord("*"), len(secret))
                at = shown.find(secret, at + len(secret))


def _place() -> tuple[int, int]:
    """Where the kernel has the arguments of this process, in its own memory."""
    stat = Path("/proc/self/stat").read_bytes()
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name before may hold blanks
    return int(fields[_ARG_START]), int(fields[_ARG_END])
