"""Asks this machine which addresses a host has.

In here: one question. Not in here: how long it may take and how many there may be at once
(service.daemon.names); the client's own look-ups (send.names).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from watchword.errors import HostError
from watchword.model.addresses import Address, canonical
from watchword.ports import HostNames


class SystemNames:
    """Asks as every program of this machine does: files, name servers, in the system's order."""

    def addresses(self, host: str) -> Sequence[Address]:
        """Raises HostError: there is no such host, or nobody could say. Blocks."""
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise HostError(f"the addresses of {host} cannot be found out: {error}") from error
        return [canonical(str(place[0])) for *_, place in found if _is_address(place[0])]


def _is_address(text: object) -> bool:
    """With a zone it is one of a link only, and nothing can be led there."""
    try:
        ip_address(str(text))
    except ValueError:
        return False
    return "%" not in str(text)


_: type[HostNames] = SystemNames
