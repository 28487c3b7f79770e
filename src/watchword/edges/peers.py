"""Who is at the other end of a Unix socket, as the kernel says.

In here: reading the credentials. Not in here: what somebody may do (service.daemon.control).
"""

from __future__ import annotations

import socket
import struct
from typing import Protocol

from watchword.record import record

_CREDENTIALS = struct.Struct("=3i")  # struct ucred: pid, uid, gid
_GROUPS = 59  # SO_PEERGROUPS, since Linux 4.13; the socket module has no name for it
_ROOM = 1024  # bytes, the most that Python asks for: 256 groups


class _Asked(Protocol):
    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


@record
class Peer:
    """The process that connected, as it was then."""

    pid: int
    uid: int
    groups: frozenset[int]
    """Its own group and all the others."""


def peer_of(sock: _Asked) -> Peer:
    """Ask the kernel. Raises OSError.

    Of somebody in more than 256 groups only the first counts: rather too little than too much.
    """
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(found)
    try:
        others = sock.getsockopt(socket.SOL_SOCKET, _GROUPS, _ROOM)
    except OSError:
        others = b""
    groups = struct.unpack(f"={len(others) // 4}I", others)
    return Peer(pid, uid, frozenset((gid, *groups)))
