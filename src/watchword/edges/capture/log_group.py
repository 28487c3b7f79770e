"""Groups of the firewall's log (NFLOG): what both readers of such groups need.

In here: joining one, how much of each packet comes. Not in here: what is read (hit_group,
door_log), netlink (channel).
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from watchword.edges.capture import channel
from watchword.edges.firewall.nft.attributes import attribute, number

RECEIVE_BUFFER: Final = 4 << 20
_PACKET: Final = 4 << 8
_CONFIGURE: Final = _PACKET | 1
_COMMAND, _MODE, _ROOM, _AT_ONCE = 1, 2, 3, 5
_BIND, _COPY_PACKETS = 1, 2
_ONE_LINE: Final = 512  # bytes that the kernel takes for one; it would take a page


def joined(group: int, copied: int) -> socket.socket:
    """A socket that hears a group, and so many bytes of each packet, each as it comes.

    Raises OSError with what the kernel says: somebody else hears it, or it is not allowed.
    """
    settings = (
        attribute(_COMMAND, bytes([_BIND])),
        attribute(_MODE, struct.pack("!IBx", copied, _COPY_PACKETS)),
        number(_ROOM, _ONE_LINE),
        number(_AT_ONCE, 1),
    )
    return channel.opened(_CONFIGURE, group, settings, RECEIVE_BUFFER)


def waiting(sock: socket.socket) -> tuple[list[dict[int, bytes]], int]:
    """As ``channel.waiting``."""
    return channel.waiting(sock, _PACKET)
