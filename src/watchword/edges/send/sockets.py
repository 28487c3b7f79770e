"""The sockets that the module ``socket`` is made of, without what it puts on top.

In here: what looking a name up and sending one datagram needs. ``socket`` itself loads
selectors and makes an enum of every constant, which takes a quarter of Python's own start.
Not in here: connections (connections, relays, tls), which are made with ``socket``.
"""

from __future__ import annotations

try:
    import _socket as system
except ImportError:  # a Python that is not made like CPython
    import socket as system  # type: ignore[no-redef]

AF_INET, AF_INET6, AF_UNSPEC = system.AF_INET, system.AF_INET6, system.AF_UNSPEC
IPPROTO_IP, IPPROTO_IPV6 = system.IPPROTO_IP, system.IPPROTO_IPV6
SOCK_DGRAM = system.SOCK_DGRAM
gaierror = system.gaierror
getaddrinfo = system.getaddrinfo
socket = system.socket
"""Has no ``with`` of its own: whoever makes one closes it."""
