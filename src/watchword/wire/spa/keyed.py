"""HMAC over packets, prepared so that a trial is one copied state (wire format, chapter 8).

In here: one key, ready to be tried on many packets. The state has already been fed
everything that does not depend on the packet: the key and the characters that
every packet of its kind would begin with.
Not in here: the MAC of one packet that is sealed (mac), trying many keys on one
packet (bunch).
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from watchword.model.crypto import Digest, Secret
from watchword.model.undisclosed import alike
from watchword.wire.spa.digests import TEXT_LENGTH
from watchword.wire.spa.mac import PREFIX, check_key, split, unsupported

_ALGORITHMS: Final[dict[Digest, hashes.HashAlgorithm]] = {
    # The protocol fixes the old two; as HMACs they are not known to be broken.
    Digest.MD5: hashes.MD5(),  # noqa: S303
    Digest.SHA1: hashes.SHA1(),  # noqa: S303
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
    Digest.SHA3_256: hashes.SHA3_256(),
    Digest.SHA3_512: hashes.SHA3_512(),
}


class Mac:
    """One HMAC key, ready to be tried on packets of one kind."""

    __slots__ = ("chars", "keyed")

    def __init__(self, key: Secret, kind: Digest, prefix: bytes = PREFIX) -> None:
        """Raises SpaError: a key that is not 1 to 136 bytes long (INVALID_HMAC_KEY_LEN), or an
        algorithm that OpenSSL was told not to have, as MD5 in FIPS mode (UNSUPPORTED_HMAC_MODE)."""
        check_key(key)
        self.chars = TEXT_LENGTH[kind]
        try:
            self.keyed = HMAC(key.reveal(), _ALGORITHMS[kind])
        except UnsupportedAlgorithm:
            raise unsupported(kind) from None
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
