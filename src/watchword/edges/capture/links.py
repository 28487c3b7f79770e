"""Network interfaces as they come and go.

In here: the kernel's news of links, and what an interface is like now.
Not in here: what is done about it (sniff).

The news only say that something changed; what is true is asked anew each time,
so that lost news do no harm.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from watchword.errors import HostError

_NETLINK_ROUTE = 0
_LINKS = 1  # RTMGRP_LINK
_SIOCGIFFLAGS, _SIOCGIFINDEX, _SIOCGIFNAME = 0x8913, 0x8933, 0x8910
_LONGEST = 16  # bytes of a name, with its end
_UP = 0x1
_NEWS = 1 << 16
_MOST_NEWS = 1000


class Links:
    """A socket that becomes readable when an interface has changed."""

    def __init__(self) -> None:
        """Raises HostError: the kernel tells this process nothing."""
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            self.sock = socket.socket(socket.AF_NETLINK, kind, _NETLINK_ROUTE)
            self.sock.bind((0, _LINKS))
        except OSError as error:
            raise HostError(f"cannot hear of changes of interfaces: {error.strerror}") from error

    def hear(self) -> None:
        """Take all news off the socket."""
        for _ in range(_MOST_NEWS):
            try:
                self.sock.recv(_NEWS)
            except BlockingIOError:
                return
            except OSError:
                continue  # too many at once: some were lost

    def is_up(self, name: str) -> bool:
        """Whether an interface is there and was not taken down."""
        asked = struct.pack("16sH22x", name.encode(), 0)
        try:
            told = fcntl.ioctl(self.sock, _SIOCGIFFLAGS, asked)
        except OSError:
            return False
        flags: int = struct.unpack_from("H", told, 16)[0]
        return bool(flags & _UP)

    def close(self) -> None:
        self.sock.close()


def index_of(name: str) -> int:
    """The number of an interface; 0: there is none of that name."""
    octets = name.encode()
    told = _asked(_SIOCGIFINDEX, struct.pack("16s24x", octets)) if len(octets) < _LONGEST else None
    return 0 if told is None else int(struct.unpack_from("i", told, 16)[0])


def name_of(index: int) -> str:
    """The name of an interface; empty: it is gone."""
    told = _asked(_SIOCGIFNAME, struct.pack("16xi20x", index))
    return "" if told is None else told[:16].partition(b"\0")[0].decode()


def _asked(what: int, request: bytes) -> bytes | None:
    """What the kernel knows; None: nothing. The C library would ask by a socket of the family
    AF_UNIX, which is not for a process without rights (edges.seccomp)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            return fcntl.ioctl(sock, what, request)
        except OSError:
            return None


def names() -> list[str]:
    """Every interface that is there."""
    return [name for _, name in socket.if_nameindex()]
