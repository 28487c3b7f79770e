"""Knock sequences that follow from a secret and the time, the same for both sides.

In here: which window of time it is, the ports of a window.
Not in here: which windows a server takes (recognise.watches), files (dialects.knockd).

Format, version 1: the ports are the 16-bit numbers, most significant byte first,
of HMAC-SHA-256(secret, "watchword knocks 1" NUL window counter), window and
counter as eight bytes each, counter 0, 1, 2 and so on; numbers below 1024, and
those that came before, are left out. All knocks are TCP.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from itertools import count, islice

from watchword.model.crypto import Secret
from watchword.model.services import Proto, Service

_LABEL = b"watchword knocks 1\0"
_LOWEST = 1024
SHORTEST_SECRET = 16
"""Bytes."""


def window_of(wall: float, every: int) -> int:
    """The number of the window that it is at that time, Unix seconds."""
    return int(wall // every)


def sequence_of(secret: Secret, window: int, knocks: int) -> tuple[Service, ...]:
    """The knocks of one window, no two of them alike."""
    ports = dict.fromkeys(islice(_distinct(_numbers(secret, window)), knocks))
    return tuple(Service(Proto.TCP, port) for port in ports)


def _distinct(numbers: Iterator[int]) -> Iterator[int]:
    seen = set()
    for number in numbers:
        if number >= _LOWEST and number not in seen:
            seen.add(number)
            yield number


def _numbers(secret: Secret, window: int) -> Iterator[int]:
    for counter in count():
        told = _LABEL + window.to_bytes(8) + counter.to_bytes(8)
        octets = hmac.digest(secret.reveal(), told, "sha256")
        for at in range(0, len(octets), 2):
            yield int.from_bytes(octets[at : at + 2])
