"""Looks at an OpenPGP message from outside, before any program is run for it (RFC 4880, 4.2).

In here: the headers of its outermost packets, and the one shape that a packet
of SPA has.
Not in here: anything that takes a key.

A stranger who has no public key of ours can still write OpenPGP: unencrypted
packets that unpack to gigabytes, or that keep gpg busy for minutes. What begins
with session keys and goes on with one encrypted part, to its end, takes one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_SESSION_KEY: Final = 1
_ENCRYPTED: Final = {18, 20}
"""Protected against tampering: with a modification detection code, or authenticated (GnuPG 2.3)."""
_MOST_KEYS: Final = 16  # as many do not fit into a packet


class _Header(NamedTuple):
    tag: int
    end: int
    """Where the packet's content ends."""


def is_encrypted_message(message: bytes) -> bool:
    """Whether it is session keys for public keys and then one encrypted part, and no more."""
    at = 0
    for _ in range(_MOST_KEYS):
        header = _header(message, at)
        if header is None:
            return False
        if header.tag in _ENCRYPTED:
            return at > 0 and header.end == len(message)
        if header.tag != _SESSION_KEY:
            return False
        at = header.end
    return False


def _header(message: bytes, at: int) -> _Header | None:
    """The packet that begins there; None if there is none, or not all of it."""
    if at >= len(message) or not message[at] & 0x80:
        return None
    first = message[at]
    if first & 0x40:
        end = _new_end(message, at + 1)
        return None if end is None else _Header(first & 0x3F, end)
    end = _old_end(message, at + 1, first & 3)
    return None if end is None else _Header(first >> 2 & 0xF, end)


def _old_end(message: bytes, at: int, kind: int) -> int | None:
    """Length in 1, 2 or 4 bytes, or none at all: then it goes on to the end of the message."""
    if kind == 3:
        return len(message)
    return _within(message, at + (1 << kind), message[at : at + (1 << kind)])


def _new_end(message: bytes, at: int) -> int | None:
    """Length in 1, 2 or 5 bytes, or parts that each say how long they are."""
    while at < len(message):
        first = message[at]
        if first < 192:
            return _within(message, at + 1, bytes([first]))
        if first < 224:
            rest = message[at + 1 : at + 2]
            if not rest:
                return None
            length = ((first - 192) << 8) + rest[0] + 192
            return _within(message, at + 2, length.to_bytes(4, "big"))
        if first == 255:
            return _within(message, at + 5, message[at + 1 : at + 5])
        at += 1 + (1 << (first & 0x1F))
    return None


def _within(message: bytes, begin: int, length: bytes) -> int | None:
    end = begin + int.from_bytes(length, "big")
    return end if length and end <= len(message) else None
