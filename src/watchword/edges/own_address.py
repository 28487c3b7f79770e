"""This machine's own addresses, as a host elsewhere would see them if nobody translates.

In here: asking the routing table, by a socket that sends nothing.
Not in here: asking somebody outside (whereabouts).
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

_ANY_PORT: Final = 9  # nothing is sent to it


_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


def preferred(host: str) -> int | None:
    """The IP version by which the system would reach a host; None: by neither."""
    with suppress(OSError):
        family, *_ = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)[0]
        return 6 if family == socket.AF_INET6 else 4
    return None


def towards(host: str, version: int) -> str | None:
    """The address from which a host would be reached by that IP version; None: it is not."""
    with suppress(OSError):
        family = _FAMILIES[version]
        [*_, endpoint] = socket.getaddrinfo(host, _ANY_PORT, family, socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(endpoint)
            return str(probe.getsockname()[0]).partition("%")[0]
    return None
