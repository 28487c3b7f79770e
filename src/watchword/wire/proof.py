"""The first bytes of a connection that proves whose it is, and what they are made of.

In here: keys, the message, its two halves, the answer to it.
Not in here: who has to prove it (model.policy), remembering what was proved
(service.daemon.proofs), sockets.

Everything comes of one packet that opened something, and of the HMAC key of its stanza:

    key      HMAC-SHA-256(HMAC key, "watchword first bytes 1" + SHA-256 of the packet's plaintext)
    message  the first 16 bytes of HMAC-SHA-256(key, "name")  +  HMAC-SHA-256(key, "proof")
    answer   the first 16 bytes of HMAC-SHA-256(key, "answer")

The plaintext has 16 random digits and travels encrypted: who only sees packets cannot make the
message, and who sees the message cannot make the answer or another message. All of it looks random.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from watchword.model.crypto import Secret
from watchword.model.undisclosed import Undisclosed
from watchword.wire.spa.mac import check_key

NAME, MAC, ANSWER = 16, 32, 16
LENGTH: Final = NAME + MAC
"""Bytes of the message."""
_LABEL: Final = b"watchword first bytes 1"


class Proof(Undisclosed):
    """What the knocker and the server can say of one packet, and nobody else."""

    __slots__ = ("answer", "mac", "name")

    def __init__(self, mac_key: Secret, plaintext: bytes) -> None:
        """``plaintext``: SHA-256 of the packet's decrypted text, 32 bytes.

        Raises SpaError: no HMAC key.
        """
        check_key(mac_key)
        key = hmac.digest(mac_key.reveal(), _LABEL + plaintext, "sha256")
        self.name = hmac.digest(key, b"name", "sha256")[:NAME]
        """Which packet it is; known to nobody before it is sent."""
        self.mac = hmac.digest(key, b"proof", "sha256")
        self.answer = hmac.digest(key, b"answer", "sha256")[:ANSWER]

    @classmethod
    def of_packet(cls, mac_key: Secret, plaintext: bytes) -> Proof:
        """The same from the plaintext itself."""
        return cls(mac_key, hashlib.sha256(plaintext).digest())

    @property
    def message(self) -> bytes:
        """The first bytes of the connection."""
        return self.name + self.mac

    def fits(self, mac: bytes) -> bool:
        """Whether somebody has said it, compared in constant time."""
        return hmac.compare_digest(self.mac, mac)

    def __repr__(self) -> str:
        return "<proof>"


def halves(message: bytes) -> tuple[bytes, bytes]:
    """Name and proof of a message of ``LENGTH`` bytes."""
    return message[:NAME], message[NAME:]
