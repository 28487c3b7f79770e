"""Sends one packet along one route.

One module for each kind of carrier: ``datagram`` (UDP), ``stream`` (TCP), ``web``
(HTTP, HTTPS), ``raw`` (whole IP packets); ``connections`` reaches servers, also
through the relays of ``relays``; ``names`` looks names up.
Not in here: what is in the packet (wire.spa), which route is taken (dialects).

Only what a run needs is imported: TLS, for one, takes longer to load than all the rest.
"""

from __future__ import annotations

from watchword.edges.send import names
from watchword.edges.send.sent import NOT_SENT, Sent
from watchword.errors import HostError
from watchword.model.routes import Carrier, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Carry(Protocol):
    """What sends a packet along a route; ``send`` is one."""

    def __call__(self, payload: bytes, route: Route, *, confirm: bool) -> Sent: ...


def send(payload: bytes, route: Route, *, confirm: bool = False) -> Sent:
    """Send a packet.

    Where the server's name has several addresses and the route names none, the
    first that can be reached is taken, in the system's order.

    Args:
        payload: A packet as ``seal`` returns it.
        confirm: Wait for a sign that it arrived, ten seconds at the most; without
            it, only answers of relays and of TLS are waited for.

    Raises HostError: it did not go out, or the other side declined; the message
    begins as fwknop's does.
    """
    if not 1 <= route.port <= 65535:
        raise HostError(
            f"port {route.port} cannot be sent to\n{NOT_SENT}", hint="ports are 1 to 65535"
        )
    return _carry(route.carrier)(payload, route, confirm=confirm)


def require(route: Route) -> None:
    """What can be known before there is a packet: privilege, files. Raises HostError."""
    if route.carrier.raw:
        from watchword.edges.send import raw  # noqa: PLC0415  (few runs need it)

        raw.require_privilege(route)
    elif route.carrier is Carrier.HTTPS:
        from watchword.edges.send import tls  # noqa: PLC0415  (loads slowly)

        tls.context(route.authorities)


def addresses(route: Route) -> tuple[str, ...]:
    """All addresses of the server that its route allows, in the system's order.

    Raises HostError if there are none.
    """
    return tuple(dict.fromkeys(names.zoned(place) for _, place in names.places(route)))


def _carry(carrier: Carrier) -> Carry:
    if carrier is Carrier.UDP:
        from watchword.edges.send import datagram  # noqa: PLC0415  (of all these, only one)

        return datagram.send
    if carrier is Carrier.TCP:
        from watchword.edges.send import stream  # noqa: PLC0415

        return stream.send
    if carrier.web:
        from watchword.edges.send import web  # noqa: PLC0415

        return web.send
    from watchword.edges.send import raw  # noqa: PLC0415

    return raw.send
