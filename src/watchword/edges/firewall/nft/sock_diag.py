"""Has the kernel end connections at sockets of this host, as ``ss -K`` does.

In here: finding the sockets of connections, and ending those: the peer is sent a reset, and
the program here reads an error. Not in here: which connections (arrivals), connections that
are led on to other hosts (conntrack).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address

from watchword.edges.firewall.nft.attributes import NLM_F_ACK, NLM_F_DUMP, Message, Request
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.model.services import Proto, Service

SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _DESTROY = 20, 21
_PROTOCOLS = {Proto.TCP: socket.IPPROTO_TCP, Proto.UDP: socket.IPPROTO_UDP}
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_EVERY_STATE = 0xFFFFFFFF
_ID = struct.Struct("!HH16s16s12s")
"""struct inet_diag_sockid: ports, addresses; then interface and cookie, as they are."""
_HEAD = struct.Struct("=I")
_ANY = bytes(4) + b"\xff" * 8  # on whichever interface, with whichever cookie
# The kernel has no such thing; or it is not one that lives.
_NOTHING_THERE = (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP)
_PORT_OF_NOBODY = 0


def can_destroy(diag: Netlink) -> bool:
    """Whether this kernel ends sockets when it is told to; changes nothing.

    It can be built without (CONFIG_INET_DIAG_DESTROY). Raises HostError: we may not.
    """
    nobody = _ID.pack(_PORT_OF_NOBODY, _PORT_OF_NOBODY, bytes(16), bytes(16), _ANY)
    try:
        diag.tell(_request(_DESTROY, socket.AF_INET, Proto.TCP, nobody))
    except KernelError as refused:
        if refused.number == errno.EPERM:
            raise
        return refused.number == errno.ENOENT
    return True


def destroy(diag: Netlink, connections: Collection[Connection]) -> None:
    """End these where they have a socket here. Raises HostError."""
    for service in sorted({each.service for each in connections}):
        for family in _FAMILIES:
            for connection, which in _sockets(diag, family, service):
                if connection in connections:
                    _end(diag, _request(_DESTROY, family, service.proto, which))


def _end(diag: Netlink, request: Request) -> None:
    try:
        diag.tell(request)
    except KernelError as refused:
        if refused.number != errno.ENOENT:  # it has just ended by itself
            raise


def _sockets(diag: Netlink, family: int, service: Service) -> Iterator[tuple[Connection, bytes]]:
    """Who is connected to a service, by sockets of one family, and how the kernel names each."""
    mine = _ID.pack(service.port, 0, bytes(16), bytes(16), _ANY)
    try:
        found = diag.dump(_request(_BY_FAMILY, family, service.proto, mine, NLM_F_DUMP))
    except KernelError as refused:
        if refused.number in _NOTHING_THERE:
            return
        raise
    for message in found:
        yield from _read(message, family, service)


def _read(message: Message, family: int, service: Service) -> Iterator[tuple[Connection, bytes]]:
    which = message.body[4 : 4 + _ID.size]
    if len(which) < _ID.size:
        return
    port, remote_port, local, remote, _ = _ID.unpack(which)
    if port != service.port or not remote_port:  # a listener, or not what was asked for
        return
    ends = [_address(each, family) for each in (remote, local)]
    yield Connection(ends[0], remote_port, ends[1], service), which


def _address(packed: bytes, family: int) -> IPv4Address | IPv6Address:
    if family == socket.AF_INET:
        return IPv4Address(packed[:4])
    six = IPv6Address(packed)
    return six.ipv4_mapped or six


def _request(kind: int, family: int, proto: Proto, which: bytes, flags: int = NLM_F_ACK) -> Request:
    payload = _HEAD.pack(_EVERY_STATE) + which
    return Request(kind, family, payload, flags, protocol=_PROTOCOLS[proto])
