"""The addresses of this host's interfaces, and the news that they changed.

In here: asking the kernel (rtnetlink), both families.
Not in here: what is done about it (service.knock), links (links).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from watchword.edges.firewall.nft.attributes import (
    NLM_F_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    Request,
    decode,
    encode,
    fields,
)
from watchword.errors import HostError

_ROUTE: Final = 0
_NEWS: Final = 0x10 | 0x100
"""RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_ADDRESS, _LOCAL = 1, 2
_MESSAGE: Final = struct.Struct("=BBBBI")
_EVERY_ONE: Final = Request(_GET_ADDRESS, socket.AF_UNSPEC, bytes(4), NLM_F_DUMP)
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
        sock.send(encode(_EVERY_ONE, 1))
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
        for message in decode(sock.recv(_LARGEST)):
            if message.kind == NLMSG_DONE:
                return
            if message.kind == NLMSG_ERROR:
                raise OSError(0, "the kernel did not answer")
            if message.kind == _NEW_ADDRESS:
                *_, index = _MESSAGE.unpack_from(message.body)
                found = fields(message.body[_MESSAGE.size :])
                address = found.get(_LOCAL) or found.get(_ADDRESS)  # differ where a link has two
                if address:
                    yield index, address
