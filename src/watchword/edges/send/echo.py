"""One echo request, as ping sends it.

In here: sockets. Not in here: what it is good for (service.client.sequence).
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from watchword.edges.send.names import Place
from watchword.wire.carriers.headers import ECHO_REQUEST, checksum_of

_ICMP, _ICMPV6 = 1, 58
_SIZE: Final = 56  # bytes behind the header, as ping has them


def ask(family: int, place: Place) -> str:
    """Send one; empty: it is on its way, else why it is not. Nobody waits for the answer."""
    six = family == socket.AF_INET6
    protocol = _ICMPV6 if six else _ICMP
    why = ""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            with socket.socket(family, kind, protocol) as channel:
                channel.sendto(_request(six=six), place)
                return ""
        except OSError as error:
            why = error.strerror or str(error)
    return why


def _request(*, six: bool) -> bytes:
    identity = os.getpid() & 0xFFFF
    content = bytes(_SIZE)
    kind = ECHO_REQUEST[6 if six else 4]
    bare = struct.pack("!BBHHH", kind, 0, 0, identity, 1) + content
    # The kernel puts in the right checksum for IPv6 and for sockets without rights.
    return struct.pack("!BBHHH", kind, 0, checksum_of(bare), identity, 1) + content
