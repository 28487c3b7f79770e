"""By which ways packets come, and whether HTTP requests are looked into.

In here: ENABLE_UDP_SERVER, ENABLE_TCP_SERVER and their ports,
ENABLE_SPA_OVER_HTTP and what belongs to it.
Not in here: what is hidden (translate_guard), receiving (edges.capture).

TRUSTED_PROXIES is Watchword's own. Source: fwknopd server, section 7.
"""

from __future__ import annotations

from ipaddress import ip_network

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.addresses import Network
from watchword.model.services import Proto, Service
from watchword.model.settings import HttpRequests, SourceSettings, TcpPort, UdpPort


def sources(values: Values) -> tuple[SourceSettings, ...]:
    """Every way by which packets come, at least one."""
    found: list[SourceSettings] = [UdpPort(_port(values, "UDPSERV_PORT"))]
    if values.flag("ENABLE_TCP_SERVER"):
        found.append(TcpPort(_port(values, "TCPSERV_PORT")))
    return tuple(found)


def doors(values: Values) -> frozenset[Service]:
    """The ports of our own that have to stay reachable for packets."""
    found = set()
    for each in sources(values):
        match each:
            case UdpPort(port):
                found.add(Service(Proto.UDP, port))
            case TcpPort(port):
                found.add(Service(Proto.TCP, port))
    return frozenset(found)


def requests(values: Values, complaints: Complaints) -> HttpRequests | None:
    """How HTTP requests are looked into; None: they are not."""
    proxies = _proxies(values, complaints)
    if not values.flag("ENABLE_SPA_OVER_HTTP"):
        for name in ("ENABLE_X_FORWARDED_FOR", "ALLOW_ANY_USER_AGENT"):
            if name in values.given and values.flag(name):
                complaints.remark(
                    f"{name} has no effect without ENABLE_SPA_OVER_HTTP Y", values.place(name)
                )
        return None
    if not values.flag("ENABLE_X_FORWARDED_FOR"):
        proxies = ()
    elif not proxies:
        complaints.remark(
            "ENABLE_X_FORWARDED_FOR has no effect without TRUSTED_PROXIES: anybody can write "
            "that header",
            values.place("ENABLE_X_FORWARDED_FOR"),
            "add TRUSTED_PROXIES and the addresses of your proxies",
        )
    return HttpRequests(values.flag("ALLOW_ANY_USER_AGENT"), proxies)


def _proxies(values: Values, complaints: Complaints) -> tuple[Network, ...]:
    found: list[Network] = []
    text = values.text("TRUSTED_PROXIES")
    for each in text.split(",") if text else ():
        try:
            found.append(ip_network(each.strip()))
        except ValueError:
            complaints.refuse(
                f"TRUSTED_PROXIES has '{shown(each.strip())}', which is no address and no network",
                values.place("TRUSTED_PROXIES"),
                "write addresses or networks, such as 192.0.2.7,2001:db8:7::/64",
            )
    return tuple(found)


def _port(values: Values, name: str) -> int:
    """Some port if the value has been complained about."""
    port = values.number(name)
    return port if 1 <= port <= 65535 else 62201
