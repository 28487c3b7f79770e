"""Which other addresses of this machine a packet names.

In here: those of ALSO_ALLOW, with the one of the other IP version found out.
Not in here: the packet (client_request), what a server allows (grant.callers).
"""

from __future__ import annotations

from ipaddress import ip_address

from watchword.dialects.fwknop import client_admit
from watchword.dialects.fwknop.client_settings import Given
from watchword.dialects.fwknop.client_values import server
from watchword.edges import own_address
from watchword.service.client.console import Console


def addresses(settings: Given, family: int | None, console: Console) -> tuple[str, ...]:
    """Every address of ALSO_ALLOW. One that cannot be found out is left out, with a warning.

    Args:
        family: Of IP, by which the packet goes; None: whichever the system prefers.
    """
    found: list[str] = []
    for word in client_admit.also(settings.elsewhere[client_admit.ALSO]):
        if word != client_admit.OTHER:
            found.append(word)
            continue
        host = server(settings.server).host if settings.server else ""
        taken = family or own_address.preferred(host)
        own = own_address.towards(host, 6 if taken == 4 else 4)
        if own is None or ip_address(own).is_link_local:
            console.warn(
                f"[-] WARNING: this machine reaches {host} by one IP version only: "
                "ALSO_ALLOW other is left out."
            )
            continue
        if taken == 6 and ip_address(own).is_private:
            console.warn(
                f"[-] WARNING: ALSO_ALLOW other is {own}, which a server elsewhere does not see."
            )
        found.append(own)
    return tuple(dict.fromkeys(found))
