"""Counts the programs that a process tree starts, told by the kernel of each one.

In here: the process event connector (a netlink socket), following a tree
through it.
Not in here: which processes the tree begins with (accounting).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_NETLINK_CONNECTOR = 11
_PROCESS_EVENTS = 1  # CN_IDX_PROC, CN_VAL_PROC, and their multicast group
_LISTEN, _IGNORE = 1, 2
_SO_RCVBUFFORCE = 33
_BUFFER = 8 * 1024 * 1024  # bytes; some 30,000 events between two looks
_HEADERS = 16 + 20  # struct nlmsghdr, struct cn_msg
_EVENT = struct.Struct("=IIQIIII")  # what, cpu, time stamp; then up to four process ids
_FORK, _EXEC = 0x1, 0x2


class Born(NamedTuple):
    """A process or thread that another one made."""

    parent: int
    child: int
    is_thread: bool


class Became(NamedTuple):
    """A process that turned into another program."""

    pid: int


class LostEventsError(Exception):
    """More happened on this machine than the socket could hold, so nothing can be counted."""


def parse(message: bytes) -> Born | Became | None:
    """One netlink message of the connector; None: an event of no interest."""
    if len(message) < _HEADERS + _EVENT.size:
        return None
    what, _, _, _, two, three, four = _EVENT.unpack_from(message, _HEADERS)
    if what == _FORK:
        return Born(parent=two, child=four, is_thread=three != four)
    if what == _EXEC:
        return Became(two)
    return None


class Count(NamedTuple):
    """What a tree of processes did."""

    forks: int
    """Processes made, threads not among them."""
    programs: int
    """Programs started (calls of exec)."""


def follow(roots: Iterable[int], events: Iterable[Born | Became]) -> Count:
    """Count what the roots and all their descendants did, from the events in order."""
    tree, forks, programs = set(roots), 0, 0
    for event in events:
        if isinstance(event, Born):
            if event.parent in tree and not event.is_thread:
                tree.add(event.child)
                forks += 1
        elif event.pid in tree:
            programs += 1
    return Count(forks, programs)


class Births:
    """Hears every birth on this machine. Has to be made in the first network namespace."""

    def __init__(self) -> None:
        """Raises OSError: this kernel has no process events, or we may not hear them."""
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_CONNECTOR)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            self._socket.bind((0, _PROCESS_EVENTS))
            self._say(_LISTEN)
        except OSError:
            self._socket.close()
            raise

    def forget(self) -> None:
        """Begin anew."""
        try:
            for _ in self._heard():
                pass
        except LostEventsError:
            self.forget()

    def count(self, roots: Iterable[int]) -> Count:
        """What the tree did since ``forget``. Raises LostEventsError."""
        return follow(roots, list(self._heard()))

    def close(self) -> None:
        self._say(_IGNORE)
        self._socket.close()

    def _heard(self) -> Iterator[Born | Became]:
        while True:
            try:
                event = parse(self._socket.recv(4096))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise LostEventsError("the kernel lost process events") from error
                raise
            if event is not None:
                yield event

    def _say(self, operation: int) -> None:
        body = struct.pack(
            "=IIIIHHI", _PROCESS_EVENTS, _PROCESS_EVENTS, 0, 0, 4, 0, operation
        )  # fmt: skip
        done = 3  # NLMSG_DONE
        self._socket.send(struct.pack("=IHHII", 16 + len(body), done, 0, 0, os.getpid()) + body)
