"""Joining a group of the firewall's log (NFLOG): what both readers of such groups need.

In here: binding by netlink, how much of each packet comes. Not in here: what is read (hit_group,
door_log).
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from watchword.edges.firewall.nft.attributes import (
    NLM_F_ACK,
    NLMSG_ERROR,
    Request,
    attribute,
    decode,
    encode,
    number,
)
from watchword.edges.firewall.nft.netlink import NETLINK_NETFILTER, enlarge

RECEIVE_BUFFER: Final = 4 << 20
DATAGRAM: Final = 1 << 16
_SUBSYSTEM: Final = 4 << 8
PACKET: Final = _SUBSYSTEM
"""The type of messages that have a packet."""
_CONFIGURE: Final = _SUBSYSTEM | 1
_COMMAND, _MODE, _ROOM, _AT_ONCE = 1, 2, 3, 5
_BIND, _COPY_PACKETS = 1, 2
_ONE_LINE: Final = 512  # bytes that the kernel takes for one; it would take a page
_SO_RCVBUFFORCE: Final = 33
_SECONDS: Final = 5.0


def joined(group: int, copied: int) -> socket.socket:
    """A socket that hears a group, and so many bytes of each packet, each as it comes.

    Raises OSError with what the kernel says: somebody else hears it, or it is not allowed.
    """
    sock = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
    )
    try:
        sock.bind((0, 0))
        enlarge(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.settimeout(_SECONDS)
        for payload in (
            attribute(_COMMAND, bytes([_BIND])),
            attribute(_MODE, struct.pack("!IBx", copied, _COPY_PACKETS)),
            number(_ROOM, _ONE_LINE),
            number(_AT_ONCE, 1),
        ):
            _ask(sock, Request(_CONFIGURE, socket.AF_UNSPEC, payload, NLM_F_ACK, group))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _ask(sock: socket.socket, request: Request) -> None:
    sock.sendto(encode(request, 1), (0, 0))
    for message in decode(sock.recv(DATAGRAM)):
        if message.kind == NLMSG_ERROR and len(message.body) >= 4:
            refused = -struct.unpack_from("=i", message.body)[0]
            if refused:
                raise OSError(refused, os.strerror(refused))
