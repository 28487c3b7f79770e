"""Whole IP packets, written by ourselves: UDP, one TCP segment, ICMP.

In here: the privileged socket, our own address where no other is to be used.
Not in here: the bytes of headers (wire.carriers.headers).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from watchword.edges import randomness
from watchword.edges.send import names
from watchword.edges.send.names import Place
from watchword.edges.send.sent import NOT_SENT, Sent
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.routes import Carrier, Route
from watchword.wire.carriers.headers import (
    ECHO_REQUEST,
    Ends,
    Ports,
    icmp_packet,
    tcp_packet,
    udp_packet,
)
from watchword.wire.carriers.unreachable import undelivered

_MODES: Final = {Carrier.UDP_RAW: "udp_raw", Carrier.TCP_RAW: "tcp_raw", Carrier.ICMP: "icmp"}
_IPV6_HDRINCL: Final = 36
_PRIVILEGE: Final = (
    "whole packets need root or CAP_NET_RAW: run it with sudo, or choose another way, -P udp"
)
_LOSS_SECONDS: Final = 1.0
"""How long the network has to say that the packet got lost."""
_MESSAGE: Final = 2048
NOTHING: Final = "nothing confirms a packet that was built by hand"


def require_privilege(route: Route) -> None:
    """Raises HostError if this process may not send what the route wants."""
    _open(socket.AF_INET6 if route.family == 6 else socket.AF_INET, route).close()


def send(payload: bytes, route: Route, *, confirm: bool) -> Sent:
    """Send a payload in one IP packet. With ``confirm``, that it got lost is an error.

    Raises HostError.
    """
    reason = "no address of the source's family" if route.source else "no address"
    for kind, place in _places(route):
        with _open(kind, route) as channel, _ear(kind) as ear:
            try:
                content = _packet(payload, route, kind, place)
                octets = channel.sendto(content, (place[0], 0, *place[2:]))
            except (OSError, ValueError) as error:
                reason = f"{place[0]}: {getattr(error, 'strerror', None) or error}"
                continue
            except names.UnresolvedError as error:  # the source's name, in this family
                reason = f"{place[0]}: source {route.source}: {error.reason}"
                continue
            if confirm and (lost := _loss(ear, place)):
                reason = f"{place[0]}: {lost}"
                continue
            return Sent(place[0], place[1], octets, sign=NOTHING if confirm else "")
    raise HostError(
        f"send_spa_packet_{_MODES[route.carrier]}: sendto error: {reason}\n{NOT_SENT}",
        hint="check the server's name and this machine's network",
    )


def _ear(kind: int) -> socket.socket:
    """Hears what networks say of lost packets."""
    if kind == socket.AF_INET6:
        return socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    return socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _loss(ear: socket.socket, place: Place) -> str:
    """What is said of a packet to this place within a second; empty: nothing."""
    target = ip_address(place[0].partition("%")[0])
    end = time.monotonic() + _LOSS_SECONDS
    with contextlib.suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            ear.settimeout(left)
            if lost := undelivered(ear.recv(_MESSAGE), target):
                return f"the network says: {lost}"
    return ""


def _places(route: Route) -> Iterator[tuple[int, Place]]:
    """Those of the server's addresses that the source can be put beside."""
    version = _version_of(route.source)
    try:
        found = list(names.places(route))
    except names.UnresolvedError as error:
        raise HostError(
            f"resolve_dst_addr() : {error.reason}\n"
            f"[*] Unable to resolve {route.host} as an ip address\n{NOT_SENT}",
            hint=error.hint,
        ) from error
    for kind, place in found:
        if version in (None, 6 if kind == socket.AF_INET6 else 4):
            yield kind, place


def _version_of(source: str) -> int | None:
    try:
        return ip_address(source).version
    except ValueError:
        return None


def _open(kind: int, route: Route) -> socket.socket:
    try:
        channel = socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW)
        if kind == socket.AF_INET6:
            channel.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        else:
            channel.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    except (OSError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "not on this system"
        raise HostError(
            f"send_spa_packet_{_MODES[route.carrier]}: create socket: {reason}\n{NOT_SENT}",
            hint=_PRIVILEGE if isinstance(error, PermissionError) else "",
        ) from error
    return channel


def _packet(payload: bytes, route: Route, kind: int, place: Place) -> bytes:
    target = ip_address(place[0].partition("%")[0])
    ends = Ends(_source(route, kind, place), target)
    if route.carrier is Carrier.ICMP:
        asks = route.icmp_asks and route.icmp_type is None
        number = ECHO_REQUEST[target.version] if asks else route.icmp_type
        echo_id = int.from_bytes(randomness.salt()[:2])
        return icmp_packet(payload, ends, kind=number, code=route.icmp_code, echo_id=echo_id)
    ports = Ports(route.source_port, route.port)
    build = udp_packet if route.carrier is Carrier.UDP_RAW else tcp_packet
    return build(payload, ends, ports, checksums=True)


def _source(route: Route, kind: int, place: Place) -> Address:
    if route.source:
        if _version_of(route.source):
            return ip_address(route.source)
        _, found = next(iter(names.looked_up(route.source, 1, 6 if kind == socket.AF_INET6 else 4)))
        return ip_address(found[0])
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        probe.connect(place)
        return ip_address(probe.getsockname()[0].partition("%")[0])
