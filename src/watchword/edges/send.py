"""Sends one packet over UDP.

In here: the server's name to an address, the socket.
Not in here: what is in the packet (wire), which port it goes to (dialects).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final, TypeAlias

from watchword.errors import HostError
from watchword.record import record

_NOT_SENT: Final = "send_spa_packet: packet not sent."
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_Endpoint: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


@record
class Sent:
    address: str
    """Which of the server's addresses was taken."""
    port: int
    octets: int


def send_udp(
    payload: bytes, host: str, port: int, *, family: int | None = None, source_port: int = 0
) -> Sent:
    """Send a payload as one datagram.

    The first of the host's addresses, in the system's order, that this machine
    has a way to is taken. Whether the packet arrives is not known.

    Args:
        host: A name, or an address of either family.
        family: 4 or 6 to use only such addresses; None: either.
        source_port: 0 lets the system choose.

    Raises HostError: nothing was sent; the message is what fwknop prints.
    """
    if not 1 <= port <= 65535:
        raise HostError(f"port {port} cannot be sent to\n{_NOT_SENT}")
    reason = "no address"
    for kind, endpoint in _endpoints(host, port, family):
        try:
            return _send(payload, kind, endpoint, source_port)
        except OSError as error:
            reason = f"{endpoint[0]}: {error.strerror or error}"
    raise HostError(f"send_spa_packet: {reason}\n{_NOT_SENT}")


def _endpoints(host: str, port: int, family: int | None) -> Iterator[tuple[int, _Endpoint]]:
    wanted = _FAMILIES[family] if family else socket.AF_UNSPEC
    try:
        found = socket.getaddrinfo(host, port, wanted, socket.SOCK_DGRAM)
    except socket.gaierror as error:
        raise _unresolved(str(error.strerror), family) from error
    except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode, or a NUL
        raise _unresolved("not a host name", family) from error
    for kind, _, _, _, endpoint in found:
        if isinstance(endpoint[0], str):  # the other form is of a Python without IPv6
            yield kind, endpoint


def _unresolved(reason: str, family: int | None) -> HostError:
    hint = f"only IPv{family} addresses were looked for" if family else ""
    return HostError(f"error in getaddrinfo: {reason}\n{_NOT_SENT}", hint=hint)


def _send(payload: bytes, kind: int, endpoint: _Endpoint, source_port: int) -> Sent:
    with socket.socket(kind, socket.SOCK_DGRAM) as channel:
        if source_port:
            channel.bind(("", source_port))
        channel.connect(endpoint)
        octets = channel.send(payload)
    return Sent(endpoint[0], endpoint[1], octets)
