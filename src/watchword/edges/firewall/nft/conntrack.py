"""Connections that are led on to another host or port, as connection tracking has them.

In here: the one question put to connection tracking, and the reading of its
answer. Not in here: connections that end at sockets of this host
(connections), which of them may go on (known).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from watchword.edges.firewall.nft.attributes import (
    AF_UNSPEC,
    NLM_F_DUMP,
    Request,
    fields,
    number,
    read_number,
)
from watchword.edges.firewall.nft.connections import Connection
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.model.addresses import Address
from watchword.model.services import Proto, Service

_GET = 1 << 8 | 1  # subsystem conntrack
_ORIGINAL, _STATUS, _PROTO_INFO, _STATUS_MASK = 1, 3, 4, 26
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_PROTO_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_INFO_TCP, _TCP_STATE = 1, 1
_DESTINATION_NAT = 1 << 5
_LAST_LIVE_STATE = 6  # LAST_ACK; behind it are TIME_WAIT and CLOSE
# The kernel knows none of this, or connection tracking is not there.
_NOTHING_THERE = (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL, errno.EPROTONOSUPPORT)


def redirected(netlink: Netlink) -> frozenset[Connection]:
    """Live connections under destination NAT, with the addresses before it.

    Empty on a machine without connection tracking. Raises HostError.
    """
    # The kernel picks them out where it can (since 5.10); what it sends is looked at again.
    payload = number(_STATUS, _DESTINATION_NAT) + number(_STATUS_MASK, _DESTINATION_NAT)
    try:
        messages = netlink.dump(Request(_GET, AF_UNSPEC, payload, NLM_F_DUMP))
    except KernelError as refused:
        if refused.number in _NOTHING_THERE:
            return frozenset()
        raise
    return frozenset(each for message in messages for each in read(message.attributes))


def read(attributes: bytes) -> Iterator[Connection]:
    """The connection that one message describes, if it is live and led elsewhere."""
    parts = fields(attributes)
    if not read_number(parts.get(_STATUS, b"")) & _DESTINATION_NAT:
        return
    info = fields(fields(parts.get(_PROTO_INFO, b"")).get(_INFO_TCP, b""))
    if read_number(info.get(_TCP_STATE, b"")) > _LAST_LIVE_STATE:
        return
    original = fields(parts.get(_ORIGINAL, b""))
    ends = _addresses(fields(original.get(_TUPLE_IP, b"")))
    transport = fields(original.get(_TUPLE_PROTO, b""))
    protos = {each.number: each for each in Proto}
    proto = protos.get(read_number(transport.get(_PROTO_NUMBER, b"")))
    port = read_number(transport.get(_DESTINATION_PORT, b""))
    if ends and proto and port:
        remote_port = read_number(transport.get(_SOURCE_PORT, b""))
        yield Connection(ends[0], remote_port, ends[1], Service(proto, port))


def _addresses(parts: dict[int, bytes]) -> tuple[Address, Address] | None:
    """Source and destination."""
    if len(parts.get(1, b"")) == len(parts.get(2, b"")) == 4:
        return IPv4Address(parts[1]), IPv4Address(parts[2])
    if len(parts.get(3, b"")) == len(parts.get(4, b"")) == 16:
        return IPv6Address(parts[3]), IPv6Address(parts[4])
    return None
