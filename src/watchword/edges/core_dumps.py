"""Keeps the keys in this process's memory out of files and out of other programs' reach.

In here: no core dump, whatever the limits of the shell and the host's pattern; on
Linux also no look into the memory by other processes of the same user. Root can
still attach a debugger.
Not in here: keys in messages (nothing that is printed holds one), swap.

Both are asked for, neither is needed: a system that has no such thing is no
reason not to run. Programs that we start inherit the limit and not the rest: no
key is in their memory.
"""

from __future__ import annotations

import sys

_PR_SET_DUMPABLE = 4
_before: list[tuple[int, int]] = []
"""The limit that a program in our place gets back."""


def forbid(*, for_good: bool = True) -> None:
    """For this process and its forks. Never raises.

    ``for_good`` False: a program that takes our place can have the old limit (``give_back``).
    """
    try:
        import resource  # noqa: PLC0415  (not on every system)

        limit = resource.getrlimit(resource.RLIMIT_CORE)
        _before[:] = [limit]
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0 if for_good else limit[1]))
    except (ImportError, OSError, ValueError):
        pass
    if sys.platform == "linux":
        _hide_memory()


def _hide_memory() -> None:
    """A pattern that pipes dumps to a program pays no heed to the limit; this mark it does."""
    try:
        import ctypes  # noqa: PLC0415  (not in every build)

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def give_back() -> None:
    """Set the limit back for another program that is about to take our place. Never raises."""
    try:
        import resource  # noqa: PLC0415  (not on every system)

        for limit in _before:
            resource.setrlimit(resource.RLIMIT_CORE, limit)
    except (ImportError, OSError, ValueError):
        return
