"""Takes away the lock files of a gpg that was killed.

In here: finding those that nobody holds any more.
Not in here: killing (programs).

gpg makes a file ``.#lk...HOST.PID`` in its home while it waits for a lock, and
removes it when it ends by itself. Those of processes that are gone stay for ever
and mean nothing, but there can be many.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"\.#lk0x[0-9a-f]+\.(?P<host>.+)\.(?P<pid>[0-9]{1,9})x?")


def sweep(home: Path) -> None:
    """Remove the lock files of processes of this host that are gone. Never raises."""
    with suppress(OSError):
        for path in home.glob(".#lk0x*"):
            found = _NAME.fullmatch(path.name)
            if found and found["host"] == socket.gethostname() and _is_gone(int(found["pid"])):
                path.unlink(missing_ok=True)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
