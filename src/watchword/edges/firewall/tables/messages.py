"""What the daemon and the warden say to each other, over a socket between them.

In here: the framing, and lines of rules as JSON. Not in here: what is said
(ward, warden).

Each message is four bytes of length and one JSON object. Neither side takes
more than it can hold: the other one is ours.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watchword.edges.firewall.tables.listing import Line

_LENGTH = struct.Struct("!I")

Entries = Mapping[str, tuple[float, Sequence[Line]]]
"""Openings by name: when they end, in steady seconds, and their rules."""


def encode(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Takes bytes as they come, gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield json.loads(body)


def packed(entries: Entries) -> dict[str, Any]:
    return {name: [until, lines] for name, (until, lines) in entries.items()}


def unpacked(told: Mapping[str, Any]) -> dict[str, tuple[float, tuple[Line, ...]]]:
    return {
        name: (float(until), tuple(Line(*each) for each in lines))
        for name, (until, lines) in told.items()
    }
