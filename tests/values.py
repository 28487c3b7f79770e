"""Plain values that tests start from and change where it matters."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from watchword.errors import Place
from watchword.model.addresses import canonical
from watchword.model.crypto import Credential, Secret
from watchword.model.moments import Moment
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.requests import AccessWish, ReplayKey, Request, Sighting
from watchword.model.services import Service

NOW = Moment(1_790_000_000.0, 5_000.0)
KEY = Secret(b"an encryption key of 32 bytes!!!")
MAC_KEY = Secret(b"an hmac key that is another one, of 64 bytes, just as generated!")
_numbers = count(1)


def later(seconds: float, start: Moment = NOW) -> Moment:
    return Moment(start.wall + seconds, start.steady + seconds)


def credential(key: Secret = KEY, mac_key: Secret | None = MAC_KEY) -> Credential:
    return Credential(key, mac_key=mac_key)


def terms(number: int = 1, **more: Any) -> Terms:
    more.setdefault("credential", credential())
    return Terms(number, Place("access.conf", number), "ANY", **more)


def symmetric(stanza: Terms) -> Credential:
    """The symmetric credential of a stanza that has one."""
    assert stanza.credential is not None
    return stanza.credential


def policy(*stanzas: Terms, **more: Any) -> Policy:
    return Policy(stanzas or (terms(),), **more)


def packet(
    payload: bytes = b"", source: str = "198.51.100.2", destination: str = "203.0.113.1"
) -> Packet:
    return Packet(payload, source, 40000, destination, 62201)


def replay_key(text: str | None = None, until: float | None = None) -> ReplayKey:
    """A key of its own each time, unless a text names it."""
    octets = (text or f"packet {next(_numbers)}").encode("ascii")
    sighting = Sighting(17, "198.51.100.2", 40000, "203.0.113.1", 62201, NOW.wall)
    return ReplayKey(
        hashlib.sha256(b"packet " + octets).digest(),
        hashlib.sha256(b"plaintext " + octets).digest(),
        sighting,
        until,
    )


def request(
    *,
    services: str = "tcp/22",
    allow: str | None = "198.51.100.2",
    source: str = "198.51.100.2",
    destination: str = "203.0.113.1",
    **more: Any,
) -> Request:
    values: dict[str, Any] = {
        "stanza": 1,
        "user": "alice",
        "sent_at": int(NOW.wall),
        "version": "3.0.0",
        "seconds": 0,
        "key": replay_key(),
        **more,
    }
    return Request(
        packet=packet(source=source, destination=destination),
        wish=AccessWish(tuple(Service.parse(each) for each in services.split(","))),
        allow=None if allow is None else canonical(allow),
        **values,
    )
