"""Whole messages between two processes, and open files with them.

In here: framing over a stream socket, a bound on length and on patience.
Not in here: what a message says (wire.orders, service.apart).
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Final

from watchword.errors import HostError, PeerError

LONGEST: Final = 32 << 20  # bytes: everything that is open again after a flush, at 200,000 openings
_HEAD: Final = struct.Struct("!I")
_MOST_FILES: Final = 8
_PIECE: Final = 1 << 20


class HungUpError(HostError):
    """The other side is as good as gone: it does not read, or stopped in mid-message."""


class GoneError(HungUpError):
    """The other side has closed its end, most likely by ending."""


class Channel:
    """One end. Messages of several threads do not mix; one thread receives."""

    def __init__(self, sock: socket.socket, *, patience: float | None = None) -> None:
        """``patience``: seconds for the rest of a message that has begun, either way."""
        self.sock = sock
        sock.settimeout(patience)
        self._sending = threading.Lock()

    def send(self, octets: bytes, descriptors: Sequence[int] = ()) -> None:
        """Raises HungUpError."""
        framed = _HEAD.pack(len(octets)) + octets
        try:
            with self._sending:
                if descriptors:
                    sent = socket.send_fds(self.sock, [framed[:_PIECE]], list(descriptors))
                    framed = framed[sent:]
                self.sock.sendall(framed)
        except ConnectionError as error:
            raise GoneError("the other process is gone") from error
        except OSError as error:  # TimeoutError is one
            raise HungUpError(f"the other process does not listen: {error}") from error

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message; its open files belong to the caller.

        Raises HungUpError, and PeerError for a message that is too long.
        """
        head, descriptors = self._head()
        [size] = _HEAD.unpack(head)
        if size > LONGEST:
            _close(descriptors)
            raise PeerError(f"a message of {size} bytes")
        try:
            return self._exactly(size), descriptors
        except HungUpError:
            _close(descriptors)
            raise

    def _head(self) -> tuple[bytes, list[int]]:
        room = socket.CMSG_LEN(_MOST_FILES * array.array("i").itemsize)
        try:
            head, ancillary, _, _ = self.sock.recvmsg(_HEAD.size, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError as error:
            raise GoneError("the other process is gone") from error
        except OSError as error:
            raise HungUpError(f"the other process does not speak: {error}") from error
        found = array.array("i")
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(data[: len(data) - len(data) % found.itemsize])
        if not head:
            raise GoneError("the other process is gone")
        return head + self._exactly(_HEAD.size - len(head)), found.tolist()

    def _exactly(self, size: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < size:
            try:
                piece = self.sock.recv(min(size - len(pieces), _PIECE))
            except OSError as error:
                raise HungUpError(f"the other process stopped in mid-message: {error}") from error
            if not piece:
                raise GoneError("the other process is gone")
            pieces += piece
        return bytes(pieces)

    def close(self) -> None:
        self.sock.close()


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
