"""Channels by which the packet filter hands packets over: its queues, and groups of its log.

In here: opening one by netlink, reading what waits there. Not in here: what is asked for and what
is in it (queue, log_group).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable
from typing import Final

from watchword.edges.firewall.nft.attributes import (
    NLM_F_ACK,
    NLMSG_ERROR,
    Request,
    decode,
    encode,
    fields,
)
from watchword.edges.firewall.nft.netlink import NETLINK_NETFILTER, enlarge

BATCH: Final = 256
"""Datagrams in one wake-up; each carries one packet."""
_DATAGRAM: Final = 1 << 16
_SO_RCVBUFFORCE: Final = 33
_SECONDS: Final = 5.0


def opened(kind: int, number: int, settings: Iterable[bytes], room: int) -> socket.socket:
    """A socket that reads a queue or group after these messages, each with attributes.

    ``kind``: the type of such messages; ``room``: bytes for what waits. Raises OSError with what
    the kernel says: somebody else reads it, or it is not allowed.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    try:
        sock.bind((0, 0))
        enlarge(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, room)
        sock.settimeout(_SECONDS)
        for each in settings:
            _ask(sock, Request(kind, socket.AF_UNSPEC, each, NLM_F_ACK, number))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _ask(sock: socket.socket, request: Request) -> None:
    sock.sendto(encode(request, 1), (0, 0))
    for message in decode(sock.recv(_DATAGRAM)):
        if message.kind == NLMSG_ERROR and len(message.body) >= 4:
            refused = -struct.unpack_from("=i", message.body)[0]
            if refused:
                raise OSError(refused, os.strerror(refused))


def waiting(sock: socket.socket, kind: int) -> tuple[list[dict[int, bytes]], int]:
    """Attributes of the packets that wait, up to a batch, and how often there was no room.

    ``kind``: the type of messages that have a packet.
    """
    found: list[dict[int, bytes]] = []
    lost = 0
    for _ in range(BATCH):
        try:
            datagram = sock.recv(_DATAGRAM)
        except BlockingIOError:
            break
        except OSError as error:
            lost += error.errno == errno.ENOBUFS
            continue
        found += (fields(each.attributes) for each in decode(datagram) if each.kind == kind)
    return found, lost
