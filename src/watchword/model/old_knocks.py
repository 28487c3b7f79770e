"""What a stanza asks of knocks as fwknop 1.9 knew them.

In here: encrypted and shared sequences, the rule about the sender's system. Not in here: who may
have what for it (policy.Terms), following sequences (recognise.sequences), keywords (dialects).

Source: legacy port knocking, sections 5 to 7 and 10.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple, TypeAlias

from watchword.model.crypto import Secret
from watchword.model.hits import KnockKind
from watchword.model.services import Service
from watchword.record import record

LOWEST_PORT = 61000
INTERVAL = 60
PORTS = 256
"""Of an encrypted sequence: one for each value of a byte."""
HIGHEST_OFFSET = 65535 - PORTS
MOST_HITS = 256
"""Of a shared sequence."""
_ELEMENT = re.compile(r"(tcp|udp)/([0-9]{1,5})|icmp")


class Element(NamedTuple):
    """One hit that a shared sequence waits for."""

    protocol: int
    """6, 17 or 1."""
    port: int
    """0 for ICMP."""

    def __str__(self) -> str:
        name = {6: "tcp", 17: "udp"}.get(self.protocol)
        return f"{name}/{self.port}" if name else "icmp"

    @classmethod
    def parse(cls, text: str) -> Element:
        """Read what ``str`` writes. Raises ValueError: it is no hit."""
        found = _ELEMENT.fullmatch(text)
        if found is None or (found[2] and not 1 <= int(found[2]) <= 65535):
            raise ValueError(f"{text!r} is neither tcp/PORT, udp/PORT nor icmp")
        return cls({"tcp": 6, "udp": 17}.get(found[1], 1), int(found[2] or 0))


@record
class SystemRule:
    """Which systems a knock may come from, going by the looks of its SYNs: a weak hint."""

    name: str = ""
    """The one name, as the file of signatures has it; empty: ``pattern`` says."""
    pattern: str = ""
    """A regular expression of the operator's, found anywhere in the name, upper case or lower."""

    def admits(self, name: str) -> bool:
        if self.name:
            return name == self.name
        return re.search(self.pattern, name, re.IGNORECASE) is not None

    def __str__(self) -> str:
        return f"OS: {self.name}" if self.name else f"OS regex: {self.pattern}"


@record
class Encrypted:
    """A message of which each byte is a hit at a port."""

    key: Secret
    """As written; shorter than 16 bytes it is filled up with ``0``."""
    services: tuple[Service, ...] = ()
    """What every knock opens, beside what it asks for itself."""
    offset: int = LOWEST_PORT
    """Port of byte 0."""
    interval: float = INTERVAL
    """Seconds within which the last hit has to follow the first."""
    limit: int | None = None
    """Grants for each sender, counted from the start of the daemon; None: any number."""
    system: SystemRule | None = None

    @property
    def kind(self) -> KnockKind:
        return KnockKind.ENCRYPTED


@record
class Shared:
    """Hits that are the same each time."""

    sequence: tuple[Element, ...]
    services: tuple[Service, ...]
    interval: float = INTERVAL
    limit: int | None = None
    system: SystemRule | None = None
    longer_than: float | None = None
    """Seconds; each hit has to come later than that after the one before (MIN_TIME_DIFF)."""
    shorter_than: float | None = None
    """And earlier than that (MAX_TIME_DIFF)."""

    @property
    def kind(self) -> KnockKind:
        return KnockKind.SHARED


KnockTerms: TypeAlias = Encrypted | Shared


class Measure(Enum):
    """How a number of a signature is held against that of a packet."""

    ANY = "*"
    EQUAL = "="
    MULTIPLE = "%"
    SEGMENTS = "S"
    """So many times the maximum segment size."""


class Size(NamedTuple):
    measure: Measure
    number: int = 0


class OptionRule(NamedTuple):
    """One TCP option of a signature."""

    letter: str
    """``N M W S T``; others are not compared."""
    size: Size = Size(Measure.ANY)
    zero: bool = False
    """Whether the time stamp has to be 0 (``T0``)."""


@record
class Signature:
    """How the SYNs of one system look."""

    name: str
    """As REQUIRE_OS names it."""
    text: str
    """The signature as it was written."""
    window: Size
    ttl: int
    """As it was sent."""
    whole: bool | None
    """None: either."""
    length: Size
    options: tuple[OptionRule, ...]
    """In the packet's order; it may have more behind them."""


@record
class Signatures:
    """Of one file, in its order."""

    all: tuple[Signature, ...] = ()
    most_hops: int = 20
    """Routers that a packet may have passed."""


NO_SIGNATURES = Signatures()
