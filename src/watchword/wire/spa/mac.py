"""The MAC of a packet, and where it stands (wire format, chapter 8).

In here: computing it for one packet that is sealed, cutting it off, the characters that
every packet begins with.
Not in here: trying a key on the packets of strangers (keyed, bunch).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from watchword.model.crypto import Digest, Secret
from watchword.wire.spa import errors
from watchword.wire.spa.errors import SpaError

try:
    from _hashlib import hmac_digest  # what ``hmac.digest`` calls, without the rest of that module
except ImportError:
    from hmac import digest as hmac_digest  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_KEY: Final = 136
"""Bytes; libfko refuses longer keys."""
PREFIX: Final = b"U2FsdGVkX1"
"""Base64 of ``Salted__`` as far as it is constant; cut off before sending (6.4)."""
GPG_PREFIX: Final = b"hQ"
"""The same for an OpenPGP message whose session key has a length of two bytes (chapter 10)."""


def mac_of(body: bytes, key: Secret, kind: Digest, prefix: bytes = PREFIX) -> bytes:
    """The MAC of a packet, given its text without the constant prefix; raw bytes.

    Raises SpaError: a key that is not 1 to 136 bytes long (INVALID_HMAC_KEY_LEN), or an
    algorithm that OpenSSL was told not to have, as MD5 in FIPS mode (UNSUPPORTED_HMAC_MODE).
    """
    check_key(key)
    try:
        return hmac_digest(key.reveal(), prefix + body, kind.name.lower())
    except ValueError:
        raise unsupported(kind) from None


def check_key(key: Secret) -> None:
    """Raises SpaError (INVALID_HMAC_KEY_LEN) for a key that is not 1 to 136 bytes long."""
    if not 1 <= len(key) <= MAX_KEY:
        raise SpaError(errors.Code.INVALID_HMAC_KEY_LEN)


def unsupported(kind: Digest) -> SpaError:
    """This machine's OpenSSL makes no MAC of this kind."""
    return SpaError(errors.Code.UNSUPPORTED_HMAC_MODE, f"no {kind.name} on this machine")


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
