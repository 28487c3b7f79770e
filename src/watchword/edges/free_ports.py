"""Finds a port that a packet can be sent from.

Not in here: drawing one (dialects), sending (send).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

_TRIES = 20  # ports; a machine on which all of these are taken has other worries


def free_udp_port(draw: Callable[[], int]) -> int:
    """The first port drawn that no UDP socket here has; 0 if there is none among twenty.

    Another program may take it before it is used.
    """
    for _ in range(_TRIES):
        port = draw()
        if _is_free(socket.AF_INET, port) and _is_free(socket.AF_INET6, port):
            return port
    return 0


def _is_free(family: int, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.bind(("", port))
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # without IPv6 no port of it is taken
    return True
