"""Unpredictable numbers, all from the system's generator.

Functions that need randomness take it as an argument; a test gives them fixed
values instead of these.
"""

from __future__ import annotations

import secrets

SALT_BYTES = 8  # of an encrypted message (wire format, chapter 9)


def digits(count: int) -> str:
    """A decimal number of exactly this many digits, leading zeros kept."""
    return f"{secrets.randbelow(10**count):0{count}d}"


def salt() -> bytes:
    """A fresh salt for one encrypted message, 8 bytes."""
    return secrets.token_bytes(SALT_BYTES)


def key_bytes(count: int) -> bytes:
    """A fresh key of this many bytes."""
    return secrets.token_bytes(count)
