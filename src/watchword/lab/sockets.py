"""Sockets inside a host, used from outside: a socket stays in the namespace it was made in."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, TypeVar

from watchword.lab.entering import entered
from watchword.lab.hosts import Host

Answer = TypeVar("Answer")
SILENCE: Final = 0.15
"""Seconds without an answer that count as none. The kernel answers within the call that asks."""


def inside(host: Host, work: Callable[[], Answer]) -> Answer:
    """Call ``work`` in a thread of its own that has entered the host's network namespace."""
    return entered(host.namespace, work)


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6


def open_socket(host: Host, address: str, kind: socket.SocketKind) -> socket.socket:
    """A socket of the family of ``address``, in the host."""
    return inside(host, lambda: socket.socket(family_of(address), kind))


def listen(host: Host, address: str, port: int) -> socket.socket:
    """A TCP listener in the host."""
    server = open_socket(host, address, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(4096)  # nobody accepts in most tests, and a full queue looks like a firewall
    return server


def connect(
    host: Host, address: str, port: int, seconds: float = 30.0, own: tuple[str, int] | None = None
) -> socket.socket | None:
    """A TCP connection from the host; None if there is no answer within that time.

    ``own``: address and port to connect from; the address may be empty. A refusal is an answer
    and is raised: ConnectionRefusedError.
    """
    client = open_socket(host, address, socket.SOCK_STREAM)
    client.settimeout(seconds)
    try:
        if own is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(own)
        client.connect((address, port))
    except TimeoutError:
        client.close()
        return None
    except OSError:
        client.close()
        raise
    return client


def reaches(host: Host, address: str, port: int, seconds: float = SILENCE) -> bool:
    """Whether a new TCP connection gets through; False is silence, a refusal is raised."""
    connection = connect(host, address, port, seconds)
    if connection is None:
        return False
    connection.close()
    return True


def gets_through(host: Host, address: str, port: int) -> bool:
    """The same for when an answer is expected: waits long enough for a busy machine."""
    return reaches(host, address, port, seconds=30.0)


def send_datagram(
    host: Host, payload: bytes, address: str, port: int, source_port: int = 0
) -> None:
    """One UDP datagram from the host."""
    client = open_socket(host, address, socket.SOCK_DGRAM)
    with contextlib.closing(client):
        if source_port:
            client.bind(("", source_port))
        client.sendto(payload, (address, port))
