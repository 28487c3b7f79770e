"""Hash functions of the SPA wire (wire format, chapter 5).

In here: the functions by their numbers, the inner digest as text, and the two
hashes by which a packet is remembered.
Not in here: HMAC (mac), what is remembered for how long (recognise).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from watchword.model.crypto import Digest
from watchword.wire.spa import base64text

ALGORITHMS: Final[dict[Digest, hashes.HashAlgorithm]] = {
    # The protocol fixes the old two; as HMACs they are not known to be broken.
    Digest.MD5: hashes.MD5(),  # noqa: S303
    Digest.SHA1: hashes.SHA1(),  # noqa: S303
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
    Digest.SHA3_256: hashes.SHA3_256(),
    Digest.SHA3_512: hashes.SHA3_512(),
}

TEXT_LENGTH: Final = {kind: -(-each.digest_size * 4 // 3) for kind, each in ALGORITHMS.items()}
"""Characters of each digest and MAC as text: 22, 27, 43, 64 or 86."""


def hashed(kind: Digest, octets: bytes) -> bytes:
    """The raw digest of some bytes.

    What encrypts hashes too: ``hashlib`` would have a second OpenSSL loaded. It is asked where
    the first one has to refuse: machines in FIPS mode have the old two for what is no security.
    """
    empty = _empty(kind)
    if empty is None:
        import hashlib  # noqa: PLC0415  (few machines need it)

        return hashlib.new(kind.name.lower(), octets, usedforsecurity=False).digest()
    running = empty.copy()
    running.update(octets)
    return running.finalize()


@cache  # a copy takes half as long as a new one
def _empty(kind: Digest) -> hashes.Hash | None:
    """A hash that has been fed nothing; None where it is refused."""
    try:
        return hashes.Hash(ALGORITHMS[kind])
    except UnsupportedAlgorithm:
        return None


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
