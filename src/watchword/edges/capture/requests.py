"""Looks for packets inside HTTP requests, for every source alike.

In here: whether that is asked for, and whose X-Forwarded-For is believed.
Not in here: what a request looks like (wire.carriers.http), sockets (udp, tcp,
sniff).
"""

from __future__ import annotations

from typing import NamedTuple

from watchword.model.addresses import Network, canonical
from watchword.model.settings import HttpRequests
from watchword.wire.carriers import http
from watchword.wire.spa.envelope import flaw


class Found(NamedTuple):
    payload: bytes
    """Its envelope is sound."""
    forwarded: str
    """As in ``Packet``."""


class Requests:
    """One for a daemon. A reload changes ``wanted`` while the sources go on."""

    def __init__(self, wanted: HttpRequests | None = None) -> None:
        self.wanted = wanted

    def look_into(self, payload: bytes, peer: str) -> Found | None:
        """The packet inside, if this is a request, requests are looked for, and it is sound.

        For payloads that are no packet themselves. ``peer`` is where the
        payload really came from.
        """
        wanted = self.wanted
        if wanted is None:
            return None
        carried = http.extract(payload, any_agent=wanted.any_agent)
        if carried is None or flaw(carried.payload) is not None:
            return None
        claim = carried.forwarded_text
        if not claim or not _believed(peer, wanted.proxies):
            return Found(carried.payload, "")
        return Found(carried.payload, str(carried.forwarded_for or claim))


def _believed(peer: str, proxies: tuple[Network, ...]) -> bool:
    address = canonical(peer)
    return any(address in network for network in proxies)
