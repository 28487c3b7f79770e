"""Hash functions of the SPA wire (wire format, chapter 5).

In here: the functions by their numbers, the inner digest as text, and the two
hashes by which a packet is remembered.
Not in here: HMAC (mac), what is remembered for how long (recognise).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from watchword.model.crypto import Digest
from watchword.wire.spa import base64text


class Hashed(Protocol):
    """A hash of ``hashlib`` that has been fed everything."""

    def digest(self) -> bytes: ...


HASHES: Final[dict[Digest, Callable[[bytes], Hashed]]] = {
    # The protocol fixes the old two; machines in FIPS mode have to be told so.
    Digest.MD5: partial(hashlib.md5, usedforsecurity=False),
    Digest.SHA1: partial(hashlib.sha1, usedforsecurity=False),
    Digest.SHA256: hashlib.sha256,
    Digest.SHA384: hashlib.sha384,
    Digest.SHA512: hashlib.sha512,
    Digest.SHA3_256: hashlib.sha3_256,
    Digest.SHA3_512: hashlib.sha3_512,
}

TEXT_LENGTH: Final = {kind: len(base64text.encode(HASHES[kind](b"").digest())) for kind in Digest}
"""Characters of each digest and MAC as text: 22, 27, 43, 64 or 86."""


def kinds_of_length(length: int) -> tuple[Digest, ...]:
    """Which digests have a text this long, in the order in which they are tried."""
    return tuple(kind for kind, chars in TEXT_LENGTH.items() if chars == length)


def digest_text(kind: Digest, octets: bytes) -> bytes:
    """The digest as it stands at the end of a plaintext: base64 without padding."""
    return base64text.encode(HASHES[kind](octets).digest())


def packet_digest(payload: bytes) -> bytes:
    """SHA-256 of a payload as received, 32 bytes; what fwknopd remembers (13.4)."""
    return hashlib.sha256(payload).digest()


def plaintext_digest(plaintext: bytes) -> bytes:
    """SHA-256 of the decrypted text, 32 bytes: the same for every spelling of a packet."""
    return hashlib.sha256(plaintext).digest()
