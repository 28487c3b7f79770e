"""Starts a program and hears of its end, however long that takes.

In here: programs of the operator's that may run for hours, such as the commands
of knockd's doors. Their output is ours.
Not in here: programs whose answer is waited for, with a limit (programs).

None of our sockets and files is passed on. Each is the leader of a session of
its own, and goes on if we end.
"""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import Sequence

SHELL = "/bin/sh"
NOT_FOUND, NOT_ALLOWED = 127, 126
"""Exit statuses of a shell for a program that is not there, or may not be run."""


async def run(argv: Sequence[str]) -> int:
    """Run a program to its end; its exit status, negative for the signal that ended it.

    Never raises: a program that cannot be started has the status that a shell gives it.
    """
    try:
        process = _started(argv)
    except FileNotFoundError:
        return NOT_FOUND
    except (OSError, ValueError):
        return NOT_ALLOWED
    await _ended(process)
    return process.wait()


def _started(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """A text without a first line that names its interpreter is a shell's, as for a shell."""
    try:
        return subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    return subprocess.Popen([SHELL, *argv], stdin=subprocess.DEVNULL, start_new_session=True)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    try:
        loop.add_reader(descriptor, over.set)
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
