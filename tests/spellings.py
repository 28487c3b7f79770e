"""The ways in which a key may stand in text or bytes where it does not belong."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode


def spellings(key: bytes) -> list[bytes]:
    """As it is, in base64 wherever in a longer text it begins, and in hexadecimal digits."""
    found = {key, key.hex().encode("ascii"), key.hex().upper().encode("ascii")}
    found.add(repr(key)[2:-1].encode("ascii"))
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            # Characters at the ends depend on the neighbours, so only those between count.
            whole = encode(b"\0" * shift + key)[(shift * 4 + 2) // 3 + bool(shift) :]
            found.add(whole.rstrip(b"=")[:-1])
    return sorted(found)


def shown(key: bytes, where: bytes) -> list[bytes]:
    """Which spellings of the key are in there."""
    return [each for each in spellings(key) if each in where]


PIECE = 12
"""Characters in a row that cannot stand in both a key and a message by chance."""


def traces(key: bytes, where: bytes) -> list[bytes]:
    """Pieces of the key, in any spelling, that are in there. For keys of random bytes."""
    pieces = {
        each[at : at + PIECE]
        for each in spellings(key)
        for at in range(max(1, len(each) - PIECE + 1))
    }
    return sorted(piece for piece in pieces if piece in where)
