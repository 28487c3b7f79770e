"""Connections as connection tracking has them: those that are led on, and UDP to be forgotten.

In here: the questions put to connection tracking, and the reading of its
answers. Not in here: connections that end at sockets of this host
(connections), which of them may go on (known).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Container, Iterator
from ipaddress import IPv4Address, IPv6Address

from watchword.edges.firewall.nft.attributes import (
    AF_UNSPEC,
    NLM_F_ACK,
    NLM_F_DUMP,
    Message,
    Request,
    attribute,
    fields,
    nest,
    number,
    read_number,
)
from watchword.edges.firewall.nft.connections import Connection, prefixes_of
from watchword.edges.firewall.nft.netlink import KernelError, Netlink
from watchword.model.addresses import Address, Network
from watchword.model.openings import Hole
from watchword.model.services import Proto, Service

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # subsystem conntrack
_ORIGINAL, _REPLY, _STATUS, _PROTO_INFO, _ID, _FILTER, _STATUS_MASK = 1, 2, 3, 4, 12, 25, 26
_FILTER_ORIGINAL, _BY_PROTO, _BY_DESTINATION_PORT = 1, 1 << 3, 1 << 5
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_PROTO_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_INFO_TCP, _TCP_STATE = 1, 1
_SEEN_REPLY, _DESTINATION_NAT = 1 << 1, 1 << 5
_LAST_LIVE_STATE = 6  # LAST_ACK; behind it are TIME_WAIT and CLOSE
# The kernel knows none of this, or connection tracking is not there.
_NOTHING_THERE = (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL, errno.EPROTONOSUPPORT)


def redirected(netlink: Netlink) -> dict[Connection, Connection]:
    """Live connections under destination NAT, as they were made and as who answers sees them.

    Empty on a machine without connection tracking. Raises HostError.
    """
    # The kernel picks them out where it can (since 5.10); what it sends is looked at again.
    payload = number(_STATUS, _DESTINATION_NAT) + number(_STATUS_MASK, _DESTINATION_NAT)
    try:
        messages = netlink.dump(Request(_GET, AF_UNSPEC, payload, NLM_F_DUMP))
    except KernelError as refused:
        if refused.number in _NOTHING_THERE:
            return {}
        raise
    found = {}
    for message in messages:
        for each in read(message.attributes):
            found[each] = _inside(fields(message.attributes)) or each
    return found


def passing(netlink: Netlink, callers: Collection[Address]) -> frozenset[Connection]:
    """Live connections of these callers that pass through this host. Raises HostError."""
    live = _live(netlink, {each.version for each in callers})
    found = {each for each in live if each.remote in callers}
    return frozenset(each for each in found if not _is_ours(each.local))


def bound_for(
    netlink: Netlink, networks: Collection[Network], services: Container[Service]
) -> frozenset[Connection]:
    """Live connections to these services of hosts in these networks, by whom they were made to.

    Raises HostError.
    """
    return frozenset(
        each
        for each in _live(netlink, {each.version for each in networks})
        if each.service in services and any(each.local in network for network in networks)
    )


def _live(netlink: Netlink, versions: Collection[int]) -> Iterator[Connection]:
    """All that connection tracking knows of these IP versions."""
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        if version not in versions:
            continue
        try:
            messages = netlink.dump(Request(_GET, family, b"", NLM_F_DUMP))
        except KernelError as refused:
            if refused.number in _NOTHING_THERE:
                continue
            raise
        for message in messages:
            each = _original(fields(message.attributes))
            if each and _is_live(fields(message.attributes)):
                yield each


def _is_ours(address: Address) -> bool:
    """Whether it is one of this host's: only then can a socket have it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((str(address), 0))
        except OSError:
            return False
    return True


def tracked(netlink: Netlink, connections: Collection[Connection]) -> frozenset[Connection]:
    """Those that connection tracking knows. Raises HostError."""
    asked = list(connections)
    answers = netlink.ask([_question(each) for each in asked])
    return frozenset(each for each, answer in zip(asked, answers, strict=True) if answer)


def drop(netlink: Netlink, connections: Collection[Connection]) -> None:
    """Make connection tracking forget these, translations included. Raises HostError."""
    try:
        netlink.ask([_question(each, _DELETE) for each in connections])
    except KernelError as refused:
        if refused.number not in _NOTHING_THERE:
            raise


def _question(each: Connection, kind: int = _GET) -> Request:
    first, second = (1, 2) if each.remote.version == 4 else (3, 4)
    ends = nest(
        _TUPLE_IP, attribute(first, each.remote.packed), attribute(second, each.local.packed)
    )
    transport = nest(
        _TUPLE_PROTO,
        attribute(_PROTO_NUMBER, bytes((each.service.proto.number,))),
        attribute(_SOURCE_PORT, each.remote_port.to_bytes(2, "big")),
        attribute(_DESTINATION_PORT, each.service.port.to_bytes(2, "big")),
    )
    family = socket.AF_INET if each.remote.version == 4 else socket.AF_INET6
    return Request(kind, family, nest(_ORIGINAL, ends, transport), NLM_F_ACK)


def conversing(
    netlink: Netlink, asked: Collection[tuple[int, Service | None]]
) -> frozenset[Connection]:
    """UDP to these services, by IP version, of which both sides were heard lately.

    Raises HostError.
    """
    found: set[Connection] = set()
    for version, service in asked:
        if service is None or service.proto is not Proto.UDP:
            continue
        for message in _tracked(netlink, version, service):
            parts = fields(message.attributes)
            each = _original(parts) if _answered(parts) else None
            if each is not None and each.service == service:
                found.add(each)
    return frozenset(found)


def _answered(parts: dict[int, bytes]) -> bool:
    return bool(read_number(parts.get(_STATUS, b"")) & _SEEN_REPLY)


def forget(
    netlink: Netlink, holes: Collection[Hole], spared: Collection[Hole] = ()
) -> frozenset[Connection]:
    """Make connection tracking forget UDP that came in through these holes; return what it was.

    What others that are ``spared`` let in as well stays, if they lead to the same place. The next
    packet of such a caller is then as new as a stranger's. (With TCP a packet of the service's
    own would have it tracked again, as established.) Raises HostError.
    """
    found: dict[Connection, Request] = {}
    doors, leads = {hole.door for hole in holes}, {hole.lead for hole in holes}
    open_still = {hole.door for hole in spared if hole.lead in leads}
    near, near_still = prefixes_of(doors), prefixes_of(open_still)
    for version, service in {(hole.who.version, hole.service) for hole in holes}:
        if service is None or service.proto is not Proto.UDP:
            continue
        for message in _tracked(netlink, version, service):
            each = _original(fields(message.attributes))
            if not each or each.service != service or each.came_through(open_still, near_still):
                continue
            if each.came_through(doors, near):
                found[each] = _deletion(message)
    netlink.ask(list(found.values()))
    return frozenset(found)


def _tracked(netlink: Netlink, version: int, service: Service) -> list[Message]:
    """What came to a service from anywhere."""
    # The kernel picks it out where it can (since 5.8); what it sends is looked at again.
    # Not by address: kernels up to 6.18 at least give all IPv6 addresses but the one asked for.
    wanted = nest(
        _TUPLE_PROTO,
        attribute(_PROTO_NUMBER, bytes((service.proto.number,))),
        attribute(_DESTINATION_PORT, service.port.to_bytes(2, "big")),
    )
    picked = _flags(_FILTER_ORIGINAL, _BY_PROTO | _BY_DESTINATION_PORT)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    payload = nest(_ORIGINAL, wanted) + nest(_FILTER, picked)
    try:
        return netlink.dump(Request(_GET, family, payload, NLM_F_DUMP))
    except KernelError as refused:
        if refused.number in _NOTHING_THERE:
            return []
        raise


def _flags(kind: int, bits: int) -> bytes:
    """A number in the machine's own order, which only filters are in."""
    return attribute(kind, struct.pack("=I", bits))


def _deletion(message: Message) -> Request:
    parts = fields(message.attributes)
    family = message.body[0]
    which = nest(_ORIGINAL, parts[_ORIGINAL]) + attribute(_ID, parts.get(_ID, b""))
    return Request(_DELETE, family, which, NLM_F_ACK)


def read(attributes: bytes) -> Iterator[Connection]:
    """The connection that one message describes, if it is live and led elsewhere."""
    parts = fields(attributes)
    if not read_number(parts.get(_STATUS, b"")) & _DESTINATION_NAT or not _is_live(parts):
        return
    found = _original(parts)
    if found is not None:
        yield found


def _is_live(parts: dict[int, bytes]) -> bool:
    info = fields(fields(parts.get(_PROTO_INFO, b"")).get(_INFO_TCP, b""))
    return read_number(info.get(_TCP_STATE, b"")) <= _LAST_LIVE_STATE


def _original(parts: dict[int, bytes]) -> Connection | None:
    """Who called whom, before any translation; None for what has no ports."""
    return _ends(parts.get(_ORIGINAL, b""))


def _inside(parts: dict[int, bytes]) -> Connection | None:
    """The same as who answers sees it: the answer's ends, the other way round."""
    answer = _ends(parts.get(_REPLY, b""))
    if answer is None or not answer.remote_port:
        return None
    service = Service(answer.service.proto, answer.remote_port)
    return Connection(answer.local, answer.service.port, answer.remote, service)


def _ends(direction: bytes) -> Connection | None:
    """The connection that a tuple of connection tracking is, whose sender is the remote end."""
    tuple_ = fields(direction)
    ends = _addresses(fields(tuple_.get(_TUPLE_IP, b"")))
    transport = fields(tuple_.get(_TUPLE_PROTO, b""))
    protos = {each.number: each for each in Proto}
    proto = protos.get(read_number(transport.get(_PROTO_NUMBER, b"")))
    port = read_number(transport.get(_DESTINATION_PORT, b""))
    if ends and proto and port:
        remote_port = read_number(transport.get(_SOURCE_PORT, b""))
        return Connection(ends[0], remote_port, ends[1], Service(proto, port))
    return None


def _addresses(parts: dict[int, bytes]) -> tuple[Address, Address] | None:
    """Source and destination."""
    if len(parts.get(1, b"")) == len(parts.get(2, b"")) == 4:
        return IPv4Address(parts[1]), IPv4Address(parts[2])
    if len(parts.get(3, b"")) == len(parts.get(4, b"")) == 16:
        return IPv6Address(parts[3]), IPv6Address(parts[4])
    return None
