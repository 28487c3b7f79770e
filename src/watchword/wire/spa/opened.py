"""What an opened packet is, whichever cipher it came in."""

from __future__ import annotations

from dataclasses import dataclass

from watchword.wire.spa.message import Message


@dataclass(frozen=True, slots=True)
class Opened:
    message: Message
    plaintext: bytes
    """What was encrypted: the text whose digest is remembered against replays."""
