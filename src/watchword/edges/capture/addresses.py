"""The addresses of this host's interfaces, and the news that they changed.

In here: asking the kernel (rtnetlink), both families.
Not in here: what is done about it (service.knock), links (links).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from watchword.errors import HostError

_ROUTE: Final = 0
_NEWS: Final = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""
_NEW_ADDRESS, _GET_ADDRESS, _DONE, _ERROR = 20, 22, 3, 2
_REQUEST_DUMP: Final = 0x1 | 0x300
_ADDRESS, _LOCAL = 1, 2
_HEADER: Final = struct.Struct("=IHHII")
_MESSAGE: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_LARGEST: Final = 1 << 20
_MOST_NEWS: Final = 1000


class AddressNews:
    """A socket that becomes readable when an address came or went."""

    def __init__(self) -> None:
        """Raises HostError: the kernel tells this process nothing."""
        self.sock = _open(_NEWS)

    def hear(self) -> None:
        """Take all news off the socket."""
        for _ in range(_MOST_NEWS):
            try:
                self.sock.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # too many at once: some were lost, and are asked for anyway

    def close(self) -> None:
        self.sock.close()


def addresses(index: int | None = None) -> list[bytes]:
    """Addresses of an interface, or of all of them, 4 or 16 bytes each. Raises HostError."""
    sock = _open(0)
    try:
        sock.settimeout(5.0)
        request = _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        size = _HEADER.size + len(request)
        sock.send(_HEADER.pack(size, _GET_ADDRESS, _REQUEST_DUMP, 1, 0) + request)
        found: dict[bytes, None] = {}
        for at, address in _answers(sock):
            if index is None or at == index:
                found[address] = None
        return list(found)
    except OSError as error:
        raise HostError(f"cannot list this host's addresses: {error.strerror or error}") from error
    finally:
        sock.close()


def _open(groups: int) -> socket.socket:
    try:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        sock = socket.socket(socket.AF_NETLINK, kind, _ROUTE)
        sock.bind((0, groups))
    except OSError as error:
        raise HostError(f"cannot hear of addresses: {error.strerror}") from error
    return sock


def _answers(sock: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Interface numbers with addresses, up to the end of the kernel's answer."""
    while True:
        octets = sock.recv(_LARGEST)
        at = 0
        while at + _HEADER.size <= len(octets):
            size, kind, *_ = _HEADER.unpack_from(octets, at)
            if kind == _DONE:
                return
            if kind == _ERROR or size < _HEADER.size:
                raise OSError(0, "the kernel did not answer")
            if kind == _NEW_ADDRESS:
                yield from _read(octets[at + _HEADER.size : at + size])
            at += (size + 3) & ~3


def _read(message: bytes) -> Iterator[tuple[int, bytes]]:
    *_, index = _MESSAGE.unpack_from(message)
    found: dict[int, bytes] = {}
    at = _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(message):
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = message[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    address = found.get(_LOCAL) or found.get(_ADDRESS)  # on links with two ends they differ
    if address:
        yield index, address
