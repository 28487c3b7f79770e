"""HMAC over packets, prepared so that a trial is one copied state (wire format, chapter 8).

In here: computing and verifying, for one key. The state has already been fed
everything that does not depend on the packet: the key and the characters that
every packet of its kind would begin with.
Not in here: trying many keys on one packet (bunch).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from watchword.model.crypto import Digest, Secret
from watchword.model.undisclosed import alike
from watchword.wire.spa.digests import ALGORITHMS, TEXT_LENGTH
from watchword.wire.spa.errors import Code, SpaError

MAX_KEY: Final = 136
"""Bytes; libfko refuses longer keys."""
PREFIX: Final = b"U2FsdGVkX1"
"""Base64 of ``Salted__`` as far as it is constant; cut off before sending (6.4)."""
GPG_PREFIX: Final = b"hQ"
"""The same for an OpenPGP message whose session key has a length of two bytes (chapter 10)."""


class Mac:
    """One HMAC key, ready to be tried on packets of one kind."""

    __slots__ = ("chars", "keyed")

    def __init__(self, key: Secret, kind: Digest, prefix: bytes = PREFIX) -> None:
        """Raises SpaError: a key that is not 1 to 136 bytes long (INVALID_HMAC_KEY_LEN), or an
        algorithm that OpenSSL was told not to have, as MD5 in FIPS mode (UNSUPPORTED_HMAC_MODE)."""
        if not 1 <= len(key) <= MAX_KEY:
            raise SpaError(Code.INVALID_HMAC_KEY_LEN)
        self.chars = TEXT_LENGTH[kind]
        try:
            self.keyed = HMAC(key.reveal(), ALGORITHMS[kind])
        except UnsupportedAlgorithm:
            raise SpaError(Code.UNSUPPORTED_HMAC_MODE, f"no {kind.name} on this machine") from None
        self.keyed.update(prefix)

    def of(self, body: bytes) -> bytes:
        """The MAC of a packet, given its text without the constant prefix; raw bytes."""
        running = self.keyed.copy()
        running.update(body)
        return running.finalize()

    def fits(self, payload: bytes) -> bool:
        """Whether the payload ends in the MAC of the rest. Constant time, never raises."""
        body, mac = split(payload, self.chars)
        return alike(self.of(body), mac)


def restore(body: bytes, prefix: bytes = PREFIX) -> bytes:
    """Put the prefix in front of a text without MAC, unless it is there (as libfko does)."""
    return body if body.startswith(prefix) else prefix + body


def split(payload: bytes, chars: int) -> tuple[bytes, bytes]:
    """Cut the MAC off: the text before it, and its raw bytes.

    No bytes at all, which are no MAC, where the tail is not the canonical
    spelling of anything.
    """
    tail = payload[-chars:]
    padding = b"=" * (-chars % 4)
    try:
        mac = a2b_base64(tail + padding)
    except ValueError:
        return payload[:-chars], b""
    if b2a_base64(mac, newline=False) != tail + padding:
        mac = b""
    return payload[:-chars], mac
