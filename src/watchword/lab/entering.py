"""Being in a network namespace for a moment: much cheaper than starting a program there.

In here: calling a function in a thread that has entered, and a visit of the thread that calls.
What is opened there (a socket, a file below /proc/sys/net) belongs to that namespace.
Not in here: making namespaces (hosts).
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
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
            _go_into(namespace)
            answers.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]


@contextlib.contextmanager
def visited(namespace: str) -> Iterator[None]:
    """The calling thread is in ``namespace`` for that long, and programs that it starts are.

    Of the first thread of a process /proc/net tells what is there, too. Raises OSError.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as home:
        _go_into(namespace)
        try:
            yield
        finally:
            _enter(home.fileno())


def _go_into(namespace: str) -> None:
    with Path("/run/netns", namespace).open("rb") as place:
        _enter(place.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
