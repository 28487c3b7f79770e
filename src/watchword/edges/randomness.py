"""Unpredictable numbers, all from the system's generator.

``os.urandom`` is what ``secrets`` asks too; the client starts sooner without the rest of that.

Functions that need randomness take it as an argument; a test gives them fixed
values instead of these.
"""

from __future__ import annotations

import os

_SPARE = 8  # bytes more than digits: the remainder is then even to one part in 2**64
SALT_BYTES = 8  # of an encrypted message (wire format, chapter 9)


def digits(count: int) -> str:
    """A decimal number of exactly this many digits, leading zeros kept."""
    drawn = int.from_bytes(os.urandom(count + _SPARE), "big")
    return f"{drawn % 10**count:0{count}d}"


def salt() -> bytes:
    """A fresh salt for one encrypted message, 8 bytes."""
    return os.urandom(SALT_BYTES)


def key_bytes(count: int) -> bytes:
    """A fresh key of this many bytes."""
    return os.urandom(count)
