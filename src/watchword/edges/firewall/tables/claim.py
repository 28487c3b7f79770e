"""Sees to it that one server at a time keeps grants in one place.

In here: the claim, which ends with the process. Not in here: places (chains, ipset.sets).

Two servers in one chain would take each other's rules for strays, and take them
out. The claim is a name in the abstract namespace of sockets, which belongs to
the network namespace, as the tables do. Anybody may use such a name, so only
root's, or our own user's, counts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from pathlib import Path

from watchword.errors import HostError

_PASSING = 10.0  # seconds
_BEGINNING = 2.0
"""Seconds from taking a name to listening; anybody's socket may never listen."""
_PEER = struct.Struct("=3i")  # pid, uid, gid
_held: dict[tuple[int, str], tuple[socket.socket, int]] = {}
_lock = threading.Lock()


class Claim:
    """On one place, in the network namespace of this thread."""

    def __init__(self, place: str, hint: str) -> None:
        """Raises HostError: another server has it.

        Args:
            place: In words: ``the chain FWKNOP_INPUT``.
            hint: How to have another one.
        """
        self._key = (Path("/proc/thread-self/ns/net").stat().st_ino, place)
        with _lock:
            held = _held.get(self._key)
            if held is not None:  # by ourselves: a reload
                _held[self._key] = (held[0], held[1] + 1)
                return
            _held[self._key] = (_claim(place, hint), 1)

    def close(self) -> None:
        """Give it back, unless another backend of this process has it as well."""
        with _lock:
            channel, count = _held.pop(self._key)
            if count > 1:
                _held[self._key] = (channel, count - 1)
            else:
                channel.close()


def _claim(place: str, hint: str) -> socket.socket:
    name = f"\0watchword: {place}"
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    began = time.monotonic()
    while True:
        try:
            channel.bind(name)
            channel.listen(8)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                channel.close()
                raise HostError(f"{place} cannot be claimed: {error}") from error
            pid = _owner(name)
            patience = _PASSING if pid else _BEGINNING
            if pid is not None and _passes(pid) and time.monotonic() < began + patience:
                time.sleep(0.01)
                continue
            if pid:
                channel.close()
                raise HostError(
                    f"another fwknopd (pid {pid}) keeps its grants in {place}",
                    hint=f"end it, or {hint}",
                ) from error
        return channel


def _passes(pid: int) -> bool:
    """Whether somebody has the name for a moment only.

    A program that a server was just starting has it, though the server was killed meanwhile or is
    ourselves, who have just given the name back; or the server has only begun to take it.
    """
    return pid in (0, os.getpid()) or not Path(f"/proc/{pid}").exists()


def _owner(name: str) -> int | None:
    """Who has a name; 0: somebody who does not listen; None: somebody who cannot be a server."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(name)
        except ConnectionRefusedError:  # not yet, or nobody any more
            return 0
        told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid, uid, _ = _PEER.unpack(told)
        if uid in (0, os.geteuid()):
            return int(pid)
    return None
