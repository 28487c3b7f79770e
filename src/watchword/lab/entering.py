"""Being in a network namespace for a moment: much cheaper than starting a program there.

In here: calling a function in a thread that has entered. What the function opens (a socket,
a file below /proc/sys/net) belongs to that namespace.
Not in here: making namespaces (hosts).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
Answer = TypeVar("Answer")


def entered(namespace: str, work: Callable[[], Answer]) -> Answer:
    """What ``work`` returns or raises in a thread of its own that has entered ``namespace``."""
    answers: list[Answer] = []
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            answers.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]
