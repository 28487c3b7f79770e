"""Tells packets from what cannot be any, and looks inside HTTP requests, for all sources alike.

In here: counting what is dropped, whether requests are looked into, and whose
X-Forwarded-For is believed.
Not in here: what a request looks like (wire.carriers.http), sockets (udp, tcp,
sniff).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from watchword.model.addresses import Network, canonical
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
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

    def look_into(self, payload: bytes, peer: str, *, connected: bool) -> Found | None:
        """The packet inside, if this is a request, requests are looked for, and it is sound.

        For payloads that are no packet themselves. ``peer`` is where the
        payload came from, ``connected`` as in ``Packet``: a proxy opens a
        connection, and anybody can write its address into a datagram, or into a
        segment for a sniffer to see. Who did not is not believed about others.
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
        if not connected:  # it is a sight of a connection, which is read as well, or forged
            return None if wanted.connections else Found(carried.payload, "")
        return Found(carried.payload, str(carried.forwarded_for or claim))

    def sift(self, packet: Packet, flaws: Counter[Reason]) -> Packet | None:
        """The packet if its envelope is sound, or the one inside the request that it is.

        None: there is none, and the reason is counted.
        """
        reason = flaw(packet.payload)
        if reason is None:
            return packet
        found = self.look_into(packet.payload, packet.peer, connected=packet.connected)
        if found is None:
            flaws[reason] += 1
            return None
        return packet._replace(payload=found.payload, forwarded=found.forwarded)


def in_words(flaws: Counter[Reason]) -> dict[str, int]:
    """What was dropped on its bytes alone, for a person."""
    return {f"bytes: {reason.word}": count for reason, count in flaws.items()}


def _believed(peer: str, proxies: tuple[Network, ...]) -> bool:
    address = canonical(peer)
    return any(address in network for network in proxies)
