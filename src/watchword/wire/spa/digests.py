"""Hash functions of the SPA wire (wire format, chapter 5).

In here: the functions by their numbers, the inner digest as text, and the two
hashes by which a packet is remembered.
Not in here: HMAC (mac), what is remembered for how long (recognise).
"""

from __future__ import annotations

import hashlib

from watchword.model.crypto import Digest
from watchword.wire.spa import base64text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_FUNCTIONS: Final = {
    # The protocol fixes the old two.
    Digest.MD5: hashlib.md5,
    Digest.SHA1: hashlib.sha1,
    Digest.SHA256: hashlib.sha256,
    Digest.SHA384: hashlib.sha384,
    Digest.SHA512: hashlib.sha512,
    Digest.SHA3_256: hashlib.sha3_256,
    Digest.SHA3_512: hashlib.sha3_512,
}

TEXT_LENGTH: Final = {
    Digest.MD5: 22,
    Digest.SHA1: 27,
    Digest.SHA256: 43,
    Digest.SHA384: 64,
    Digest.SHA512: 86,
    Digest.SHA3_256: 43,
    Digest.SHA3_512: 86,
}
"""Characters of each digest and MAC as text."""


def hashed(kind: Digest, octets: bytes) -> bytes:
    """The raw digest of some bytes.

    Machines in FIPS mode have the old two as well, for what is no security.
    """
    return _FUNCTIONS[kind](octets, usedforsecurity=False).digest()


def kinds_of_length(length: int) -> tuple[Digest, ...]:
    """Which digests have a text this long, in the order in which they are tried."""
    return tuple(kind for kind, chars in TEXT_LENGTH.items() if chars == length)


def digest_text(kind: Digest, octets: bytes) -> bytes:
    """The digest as it stands at the end of a plaintext: base64 without padding."""
    return base64text.encode(hashed(kind, octets))


def packet_digest(payload: bytes) -> bytes:
    """SHA-256 of a payload as received, 32 bytes; what fwknopd remembers (13.4)."""
    return hashed(Digest.SHA256, payload)


def plaintext_digest(plaintext: bytes) -> bytes:
    """SHA-256 of the decrypted text, 32 bytes: the same for every spelling of a packet."""
    return hashed(Digest.SHA256, plaintext)
