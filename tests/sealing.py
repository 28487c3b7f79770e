"""Packets for tests: sealed by the wire room, one random value each."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.values import NOW, credential
from watchword.errors import HostError
from watchword.model.crypto import Credential
from watchword.model.openpgp import Decrypted, OpenPgpCredential, Signature
from watchword.wire.spa.composing import compose
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.openpgp import enclose
from watchword.wire.spa.sealing import seal

_numbers = count(1)


def message(text: str = "198.51.100.2,tcp/22", **more: Any) -> Message:
    values: dict[str, Any] = {
        "random": f"{next(_numbers):016d}",
        "user": "alice",
        "sent_at": int(NOW.wall),
        "version": "3.0.0",
        "type": MessageType.ACCESS,
        **more,
    }
    return Message(text=text, **values)


def sealed(
    text: str = "198.51.100.2,tcp/22", sealed_with: Credential | None = None, **more: Any
) -> bytes:
    salt = next(_numbers).to_bytes(8, "big")
    return seal(message(text, **more), sealed_with or credential(), salt=salt)


class Envelopes:
    """OpenPGP packets without OpenPGP: for each message what is to be found in it."""

    def __init__(self) -> None:
        self.contents: dict[bytes, Decrypted | HostError] = {}

    def sealed(
        self,
        *signatures: Signature,
        sealed_with: OpenPgpCredential,
        text: str = "198.51.100.2,tcp/22",
        octets: int = 700,
        **more: Any,
    ) -> bytes:
        """A packet, and a new entry of ``contents``. ``octets`` is the length of the message."""
        number = next(_numbers).to_bytes(8, "big")
        session_key = b"\x85\x01\x0c" + number + bytes(260)
        rest = octets - len(session_key) - 6
        content = session_key + b"\xd2\xff" + rest.to_bytes(4, "big") + bytes(rest)
        self.contents[content] = Decrypted(compose(message(text, **more)), signatures)
        return enclose(content, sealed_with)
