"""UDP: one datagram, of which nobody says whether it arrives.

In here: the socket, and what may come back: that nobody listens, that it was lost.
"""

from __future__ import annotations

from watchword.edges.send import names, sockets
from watchword.edges.send.names import Place
from watchword.edges.send.sent import NOT_SENT, Sent
from watchword.errors import HostError
from watchword.model.routes import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_RECVERR, _IPV6_RECVERR = 11, 25  # of Linux
_REFUSAL_SECONDS: Final = 1.0
"""How long a refusal is waited for; it takes as long as one ping."""
NOTHING: Final = "nothing confirms a datagram"


def send(payload: bytes, route: Route, *, confirm: bool) -> Sent:
    """Send a payload as one datagram. With ``confirm``, a refusal is an error.

    Raises HostError.
    """
    reason = "no address"
    for kind, place in names.places(route):
        try:
            return _send(payload, kind, place, route, confirm=confirm)
        except OSError as error:
            reason = f"{place[0]}: {error.strerror or error}"
    raise HostError(
        f"send_spa_packet: {reason}\n{NOT_SENT}",
        hint="check the server's name and this machine's network"
        + (f", and that port {route.source_port} of -S can be had" if route.source_port else ""),
    )


def _send(payload: bytes, kind: int, place: Place, route: Route, *, confirm: bool) -> Sent:
    channel = sockets.socket(kind, sockets.SOCK_DGRAM)
    try:
        if route.source_port:
            channel.bind(("", route.source_port))
        channel.connect(place)
        if confirm:
            _listen_for_losses(channel, kind)
        octets = channel.send(payload)
        if confirm:
            _hear_refusal(channel)
    finally:
        channel.close()
    return Sent(place[0], place[1], octets, sign=NOTHING if confirm else "")


def _listen_for_losses(channel: sockets.socket, kind: int) -> None:
    """Have the system tell of lost packets too, not of refusals only, where it can."""
    level, option = sockets.IPPROTO_IP, _RECVERR
    if kind == sockets.AF_INET6:
        level, option = sockets.IPPROTO_IPV6, _IPV6_RECVERR
    try:
        channel.setsockopt(level, option, 1)
    except OSError:
        return


def _hear_refusal(channel: sockets.socket) -> None:
    """Raises OSError if the host says that nobody listens, or the network that it is lost."""
    channel.settimeout(_REFUSAL_SECONDS)
    try:
        channel.recv(1)
    except TimeoutError:
        return
