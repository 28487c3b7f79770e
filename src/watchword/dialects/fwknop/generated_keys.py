"""Generated keys: how long they are, and the two lines that show them (client, 8.4).

In here: what ``--key-gen`` means to client and server alike.
Not in here: random bytes (edges.randomness), writing files (edges.files).
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from watchword.errors import OperatorError
from watchword.model.crypto import Digest

KEY_BYTES: Final = 32
MAXMAC_BYTES: Final = 128  # the packaged client refuses longer HMAC keys
MAC_BYTES: Final = {
    Digest.MD5: 16,
    Digest.SHA1: 20,
    Digest.SHA256: 64,
    Digest.SHA384: 128,
    Digest.SHA512: 128,
    Digest.SHA3_256: 128,  # its block has 136 bytes, but see above
    Digest.SHA3_512: 72,
}
"""Bytes of a new HMAC key."""


def lengths(mac_digest: Digest, key_length: int = 0, mac_length: int = 0) -> tuple[int, int]:
    """Bytes of the encryption key and of the HMAC key; 0 asks for the default.

    Raises OperatorError for an encryption key of more than 32 bytes, which
    no packet can be sealed with, or an HMAC key of more than 128.
    """
    if not 0 <= key_length <= KEY_BYTES:
        raise OperatorError(
            f"an encryption key of {key_length} bytes cannot be used",
            hint=f"ask for {KEY_BYTES} bytes or fewer: --key-len {KEY_BYTES}",
        )
    if not 0 <= mac_length <= MAXMAC_BYTES:
        raise OperatorError(
            f"an HMAC key of {mac_length} bytes cannot be used by every client",
            hint=f"ask for {MAXMAC_BYTES} bytes or fewer: --hmac-key-len {MAXMAC_BYTES}",
        )
    return key_length or KEY_BYTES, mac_length or MAC_BYTES[mac_digest]


def shown(key: bytes, mac_key: bytes) -> str:
    """The two lines that ``--key-gen`` prints, base64 with padding."""
    encoded = (b64encode(each).decode("ascii") for each in (key, mac_key))
    return "KEY_BASE64: {}\nHMAC_KEY_BASE64: {}\n".format(*encoded)
