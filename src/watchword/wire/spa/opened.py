"""What an opened packet is, whichever cipher it came in."""

from __future__ import annotations

from watchword.record import record
from watchword.wire.spa.message import Message


@record
class Opened:
    """A packet that a lock has opened: authentic if the lock has an HMAC key, not yet new."""

    message: Message
    plaintext: bytes
    """What was encrypted: the text whose digest is remembered against replays."""
