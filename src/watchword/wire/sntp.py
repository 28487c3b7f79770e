"""The simple network time protocol, as much of it as comparing two clocks takes (RFC 4330).

In here: a question, and how far another clock is ahead, from its answer.
Not in here: sending it (edges.other_clocks).
"""

from __future__ import annotations

import struct
from typing import Final

from watchword.errors import PeerError

LENGTH: Final = 48  # bytes of a message without extensions
PORT: Final = 123
_CLIENT: Final = 0b00_100_011  # no leap warning, version 4, mode 3
_SERVER: Final = 4
_UNSET: Final = 0b11  # leap indicator: the clock has not been set
_MESSAGE: Final = struct.Struct("!BBbb 3I 4Q")
_SINCE_1900: Final = 2_208_988_800  # seconds from the protocol's epoch to that of Unix
_ERA: Final = 1 << 32  # seconds after which the protocol's clock begins anew (2036)


def question(nonce: int) -> bytes:
    """What to ask.

    Args:
        nonce: 64 random bits, which the answer brings back. They stand where our own time
            could, which is nobody's business.
    """
    return _MESSAGE.pack(_CLIENT, 0, 0, 0, 0, 0, 0, 0, 0, 0, nonce)


def ahead(answer: bytes, nonce: int, sent: float, received: float) -> float:
    """Seconds by which the other clock is ahead of ours; negative: behind.

    Args:
        sent, received: Our own time, Unix seconds, when the question went and the answer came.

    Raises PeerError: it is no answer to our question, or of a clock that is not set.
    """
    if len(answer) < LENGTH:
        raise PeerError("the answer is too short for a time")
    head, stratum, *_, echoed, asked, told = _MESSAGE.unpack_from(answer)
    if head & 0b111 != _SERVER or echoed != nonce:
        raise PeerError("this is no answer to our question")
    if head >> 6 == _UNSET or not 1 <= stratum <= 15 or not told:
        raise PeerError("that clock is not set")
    return ((_unix(asked, sent) - sent) + (_unix(told, sent) - received)) / 2


def _unix(stamp: int, near: float) -> float:
    """Unix seconds, in the era in which they are nearest to ``near``."""
    seconds = stamp / (1 << 32) - _SINCE_1900
    return seconds + round((near - seconds) / _ERA) * _ERA
