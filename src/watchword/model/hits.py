"""Packets that old knocks are made of, whichever way they were noticed.

In here: what is known of one, how the system that sent it looked. Not in here: reading them off
the wire or out of a log (wire.hits, wire.kernel_log), what they mean (recognise.sequences).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class KnockKind(StrEnum):
    """The two kinds of old knocks (legacy port knocking, 1)."""

    ENCRYPTED = "encrypted"
    SHARED = "shared"


class Look(NamedTuple):
    """What a SYN tells of the system that sent it."""

    ttl: int
    """As it arrived; of IPv6 the hop limit."""
    length: int
    """Of the whole packet, the IP header included."""
    whole: bool
    """Whether it may not be taken to pieces (DF); of IPv6 always."""
    window: int
    options: bytes
    """Of TCP, as they stand in the header; empty: there are none, or the source does not tell."""


class Hit(NamedTuple):
    """One packet to a port, or one echo request."""

    source: bytes
    """Address, 4 or 16 bytes."""
    destination: bytes
    protocol: int
    """6, 17, or 1 for echo requests of both families."""
    port: int
    """It was sent to; 0 for echo requests."""
    source_port: int = 0
    sequence: int = -1
    """TCP's; -1: the source does not tell."""
    look: Look | None = None
    """None: no SYN, or the source does not tell."""
    interface: str = ""
    """Where it was seen; empty: the source does not tell."""
