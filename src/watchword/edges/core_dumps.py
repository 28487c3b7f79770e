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
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """For this process and its forks, for good. Never raises."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  (not on every system)

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A pattern that pipes dumps to a program pays no heed to the limit; this mark it does.
        with suppress(ImportError, OSError, AttributeError):
            import ctypes  # noqa: PLC0415  (not in every build)

            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
