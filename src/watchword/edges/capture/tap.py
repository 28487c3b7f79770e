"""One socket that sees what passes an interface, or all of them.

In here: making it, following its interface, the kernel's counts.
Not in here: reading it (sniff), filters (sieve_code).

The socket is of the "cooked" kind: the kernel takes the link header off, be it
Ethernet, PPP or none, so that all links look alike from the IP header on.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

from watchword.edges.capture import bpf
from watchword.edges.capture.links import Links, index_of, name_of
from watchword.errors import HostError
from watchword.model.daemon_events import InterfaceState
from watchword.wire.bpf import RETURN, Instruction

RECEIVE_BUFFER = 16 * 1024 * 1024  # about 20,000 packets: one second of a bad day
_EVERYTHING = 3  # ETH_P_ALL
_SOL_PACKET = 263
_ADD_MEMBERSHIP = 1
_STATISTICS = 6
_IGNORE_OUTGOING = 23  # kernel 4.20 and later
_PROMISCUOUS = 1
_SO_RCVBUFFORCE = 33
_NOTHING: list[Instruction] = [(RETURN, 0, 0, 0)]
_MOST_STALE = 100_000


def deaf_socket(every: bool) -> socket.socket:
    """A socket that hears of no packet before it is given a filter.

    ``every``: of all interfaces; else of one that it is bound to later. Raises HostError.
    """
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    protocol = socket.htons(_EVERYTHING) if every else 0
    try:
        sock = socket.socket(socket.AF_PACKET, kind, protocol)
    except OSError as error:
        raise HostError(
            f"cannot sniff: {error.strerror}", hint="run this as root, or with CAP_NET_RAW"
        ) from error
    try:
        bpf.attach(sock, _NOTHING)
    except HostError:
        sock.close()
        raise
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    with contextlib.suppress(PermissionError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    return sock


class Tap:
    """See the module. Raises HostError where capturing is not allowed."""

    def __init__(
        self,
        name: str,
        *,
        promiscuous: bool,
        both_directions: bool,
        made: Callable[[bool], socket.socket] = deaf_socket,
    ) -> None:
        """``name``: an interface, there or not; empty: all of them. ``made``: the socket, as
        ``deaf_socket`` makes it."""
        self.name = name
        self.state: InterfaceState | None = None
        """None: not looked at yet, or there is no interface to follow."""
        self._promiscuous = promiscuous
        self._index = 0
        self._dropped = 0
        self.sock = made(not name)
        if not both_directions:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        self.forget()

    def forget(self) -> None:
        """Drop what has come by now; before there was a filter it was not asked for."""
        for _ in range(_MOST_STALE):
            try:
                self.sock.recv(1)
            except OSError:
                return

    def follow(self, links: Links) -> bool:
        """Hold on to the interface that has our name now; whether its state changed.

        One that was renamed is held until another takes the name: a packet on
        its way must not be lost to a change that nobody meant to be one.
        """
        before = self.state
        index = index_of(self.name)
        if index and index != self._index:
            self._bind(index)
        elif not index and not name_of(self._index):
            self._index = 0
        current = name_of(self._index)
        if not current:
            self.state = InterfaceState.GONE
        elif not links.is_up(current):
            self.state = InterfaceState.DOWN
        else:
            self.state = InterfaceState.THERE if current == self.name else InterfaceState.RENAMED
        return self.state is not before

    def _bind(self, index: int) -> None:
        try:
            self.sock.bind((self.name, _EVERYTHING))
        except OSError:
            return  # gone again; there will be news of it
        self._index = index
        if self._promiscuous:
            wanted = struct.pack("@iHH8x", index, _PROMISCUOUS, 0)
            with contextlib.suppress(OSError):
                self.sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, wanted)

    def attach(self, program: list[Instruction]) -> None:
        """Let through from now on what a program lets through. Raises HostError."""
        bpf.attach(self.sock, program)

    @property
    def dropped(self) -> int:
        """Packets that found no room in the buffer, since the start."""
        if self.sock.fileno() >= 0:
            counts = self.sock.getsockopt(_SOL_PACKET, _STATISTICS, 8)
            self._dropped += struct.unpack("@II", counts)[1]
        return self._dropped

    def close(self) -> None:
        self.sock.close()
