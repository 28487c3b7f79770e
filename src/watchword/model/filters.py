"""What a capture filter asks of a packet, as values; the words are tcpdump's.

In here: the tests and how they combine.
Not in here: reading them from text (dialects.pcap_filter), having the kernel
carry them out (wire.filter_code).
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from watchword.model.addresses import Network
from watchword.record import record


class Direction(Enum):
    """Which end of a packet a test is about."""

    EITHER = "either"
    SOURCE = "source"
    DESTINATION = "destination"
    BOTH = "both"


@record
class HostIs:
    """An address is in a network; only packets of that family can pass."""

    network: Network
    direction: Direction = Direction.EITHER


@record
class PortIs:
    """A port is in a range. Fragments beyond the first and other protocols never pass."""

    first: int
    last: int
    protocols: frozenset[int]
    """Protocol numbers; their first four bytes are two ports."""
    versions: frozenset[int] = frozenset({4, 6})
    direction: Direction = Direction.EITHER


@record
class ProtocolIs:
    """The packet is of one of these IP versions, and carries this protocol."""

    versions: frozenset[int]
    protocol: int | None = None
    """None: any."""


@record
class FlagsAre:
    """A TCP segment, or the beginning of one, with these flags set and those not set."""

    wanted: int
    unwanted: int


@record
class LengthIs:
    """Bytes of the packet from its IP header on, both ends of the range included."""

    least: int
    most: int


@record
class All:
    tests: tuple[Filter, ...]


@record
class Any:
    tests: tuple[Filter, ...]


@record
class Not:
    test: Filter


Filter: TypeAlias = HostIs | PortIs | ProtocolIs | FlagsAre | LengthIs | All | Any | Not
