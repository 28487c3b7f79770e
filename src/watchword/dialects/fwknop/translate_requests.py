"""Whether HTTP requests are looked into for packets, and whose word of their origin is taken.

In here: ENABLE_SPA_OVER_HTTP, ALLOW_ANY_USER_AGENT, ENABLE_X_FORWARDED_FOR, TRUSTED_PROXIES.
Not in here: by which ways they come (translate_sources), looking into them
(edges.capture.requests).

TRUSTED_PROXIES is Watchword's own. Source: fwknopd server, section 7.
"""

from __future__ import annotations

from ipaddress import ip_network

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_sources import named_ways
from watchword.model.addresses import Network
from watchword.model.settings import HttpRequests


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
    elif "tcp" not in named_ways(values):
        complaints.remark(
            "ENABLE_X_FORWARDED_FOR counts for connections to ENABLE_TCP_SERVER only: what is "
            "sniffed can bear anybody's address, and is taken for the proxy's own",
            values.place("ENABLE_X_FORWARDED_FOR"),
            "add ENABLE_TCP_SERVER Y, or tcp to PACKET_SOURCES, and point the proxy at that port",
        )
    by_connection = bool(proxies) and "tcp" in named_ways(values)
    return HttpRequests(values.flag("ALLOW_ANY_USER_AGENT"), proxies, by_connection)


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
