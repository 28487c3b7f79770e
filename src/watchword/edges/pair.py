"""Whole messages between two processes, and open files with them.

In here: framing over a stream socket, a bound on length and on patience; reading for who may
not wait (Pieces).
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
        """``patience``: seconds for sending a message, and between two pieces that are received."""
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


class Pieces:
    """Puts messages together for who must not wait for the other side. Open files that come with
    them are dropped by the kernel: nobody asks for them here."""

    def __init__(self, sock: socket.socket) -> None:
        os.set_blocking(sock.fileno(), False)
        self._sock = sock
        self._got = bytearray()
        self._size: int | None = None
        """Bytes of the message; None: of its head not all is there."""

    @property
    def begun(self) -> bool:
        """Whether there is a beginning of a message, without its end."""
        return bool(self._got) or self._size is not None

    def take(self) -> bytes | None:
        """Read what is there, up to the end of one message; None: it has not come to its end.

        Raises GoneError, HungUpError, and PeerError for a message that is too long.
        """
        while True:
            missing = (_HEAD.size if self._size is None else self._size) - len(self._got)
            if missing:
                if not self._more(missing):
                    return None
            elif self._size is None:
                self._size = self._announced()
            else:
                whole = bytes(self._got)
                self._got, self._size = bytearray(), None
                return whole

    def _announced(self) -> int:
        [size] = _HEAD.unpack(self._got)
        if size > LONGEST:
            raise PeerError(f"a message of {size} bytes")
        self._got.clear()
        return int(size)

    def _more(self, missing: int) -> bool:
        """Whether something was there."""
        try:
            piece = os.read(self._sock.fileno(), min(missing, _PIECE))
        except BlockingIOError:
            return False
        except ConnectionError as error:
            raise GoneError("the other process is gone") from error
        except OSError as error:
            raise HungUpError(f"the other process does not speak: {error}") from error
        if not piece:
            raise GoneError("the other process is gone")
        self._got += piece
        return True


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
