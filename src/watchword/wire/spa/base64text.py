"""Base64 as SPA packets use it: the standard alphabet, without padding (wire format, chapter 3).

In here: writing, reading as libfko reads, and the test that a text is the only
spelling of what it stands for.
Not in here: which text may be how long (envelope, fields).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def encode(octets: bytes) -> bytes:
    """Base64 text without ``=`` and without a newline."""
    return b2a_base64(octets, newline=False).rstrip(b"=")


def encode_padded(octets: bytes) -> bytes:
    """Base64 text with its ``=``, as perl clients write fields inside the encryption."""
    return b2a_base64(octets, newline=False)


def decode_leniently(text: bytes) -> bytes:
    """Read as libfko does: stop at the first ``=``, drop bits that are left over.

    Raises ValueError for a byte outside the alphabet.
    """
    body = text.partition(b"=")[0] if b"=" in text else text
    if body.translate(None, ALPHABET):
        raise ValueError("a character outside the base64 alphabet")
    if len(body) % 4 == 1:
        body = body[:-1]
    return a2b_base64(body + b"=" * (-len(body) % 4))


def is_text(text: bytes) -> bool:
    """libfko's test of a whole packet: letters of the alphabet and ``=``, in any order."""
    return not text.translate(None, ALPHABET + b"=")


def is_canonical(text: bytes, octets: bytes) -> bool:
    """Whether ``text`` is what ``encode`` makes of ``octets``."""
    return encode(octets) == text


def is_canonical_field(text: bytes, octets: bytes) -> bool:
    """The same for a field inside the encryption, where perl clients write full padding."""
    return encode(octets) == text or encode_padded(octets) == text


def decode(text: bytes) -> bytes:
    """Read the one canonical spelling.

    Raises ValueError for everything else: ``=``, unused bits that are not
    zero, a lonely last character, a byte outside the alphabet.
    """
    octets = decode_leniently(text)
    if not is_canonical(text, octets):
        raise ValueError("base64 text that is not canonical")
    return octets
