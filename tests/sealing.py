"""Packets for tests: sealed by the wire room, one random value each."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.values import NOW, credential
from watchword.model.crypto import Credential
from watchword.wire.spa.message import Message, MessageType
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
