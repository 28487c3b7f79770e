"""How a packet gets to its server: what carries it.

In here: carriers, and a route, which is everything that sending needs to know beside
the packet itself.
Not in here: through whom it goes (relays), options and variables that choose a route
(dialects), sockets (edges.send), bytes (wire.carriers).
"""

from __future__ import annotations

from enum import StrEnum

from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from watchword.model.relays import Relay


class Carrier(StrEnum):
    """What a packet travels in, by the name that options call it."""

    UDP = "udp"
    UDP_RAW = "udpraw"
    TCP = "tcp"
    TCP_RAW = "tcpraw"
    ICMP = "icmp"
    HTTP = "http"
    HTTPS = "https"

    @property
    def raw(self) -> bool:
        """Built whole, IP header and all: its source may be forged, and sending needs privilege."""
        return self in (Carrier.UDP_RAW, Carrier.TCP_RAW, Carrier.ICMP)

    @property
    def web(self) -> bool:
        """A request to a web server."""
        return self in (Carrier.HTTP, Carrier.HTTPS)

    @property
    def connected(self) -> bool:
        """Needs a TCP connection, and so can go through a relay."""
        return self is Carrier.TCP or self.web


@record
class Route:
    """One way to one server. What a carrier has no use for is ignored by it."""

    carrier: Carrier
    host: str
    """The server's name or address, as it was given."""
    port: int
    """1 to 65535."""
    address: str = ""
    """The one of its addresses to send to; empty: whichever can be reached first."""
    family: int | None = None
    """4 or 6: only addresses of that version, of the relay where there is one; None: either."""
    source_port: int = 0
    """0: the system chooses, which raw carriers do not allow."""
    source: str = ""
    """Address or name that raw packets say they come from; empty: our own."""
    icmp_type: int | None = None
    """0 to 255, a number of the family's; None: echo reply, or request if ``icmp_asks``."""
    icmp_code: int = 0
    icmp_asks: bool = False
    agent: str = ""
    """User agent of web requests; empty: that of the compatible client."""
    relay: Relay | None = None
    authorities: str = ""
    """File with the certificates that a server's is held against; empty: the system's."""

    def __str__(self) -> str:
        """For messages: carrier and destination."""
        if self.carrier is Carrier.ICMP:
            return f"{self.carrier} to {self.address or self.host}"
        return f"{self.carrier} to {endpoint(self.address or self.host, self.port)}"


def endpoint(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
