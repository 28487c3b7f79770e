"""What an authenticated packet asks for, before anybody has said yes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from watchword.model.addresses import Address
from watchword.model.crypto import Digest
from watchword.model.openpgp import Keyring
from watchword.model.packets import Packet
from watchword.model.services import Service
from watchword.record import record


@dataclass(frozen=True, slots=True)
class Particulars:
    """What a caller says of where he connects from, beside the address."""

    port: int = 0
    """His own; 0: any."""
    bits: int = 0
    """Length of the prefix around the address that he asks for; 0: just the address."""
    also: tuple[Address, ...] = ()
    """Other addresses of his."""


@dataclass(frozen=True, slots=True)
class AccessWish:
    """Open these services of this host."""

    services: tuple[Service, ...]
    """At least one, in the packet's order, repeats kept."""
    particulars: Particulars = Particulars()


@record
class ForwardWish:
    """Open the first service and lead it on to another host or port."""

    services: tuple[Service, ...]
    host: str
    port: int
    local: bool
    """True: the target is this host itself (local NAT)."""


@record
class CommandWish:
    """Run this command."""

    command: str


Wish: TypeAlias = AccessWish | ForwardWish | CommandWish


class Sighting(NamedTuple):
    """How a packet arrived, for the log line of its replay."""

    protocol: int
    source: str
    source_port: int
    destination: str
    """Empty where the capture could not tell."""
    destination_port: int
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class ReplayKey:
    """What is remembered of an authentic packet for it never to count again."""

    packet: bytes
    """SHA-256 of the payload as received, 32 bytes (wire format, 13.4)."""
    plaintext: bytes
    """SHA-256 of the decrypted text, 32 bytes: the same for every spelling of the packet."""
    sighting: Sighting
    until: float | None = None
    """Unix seconds after which it may be forgotten; None: remember for ever."""
    sent_at: int = 0
    """The time stamp in the decrypted text, so part of what the digests stand for: a store
    may look for a digest only among those of the same second. Up to 63 bits."""


class Claim(Enum):
    """What a replay store says of a key."""

    FIRST = "first"
    KNOWN = "known"
    """It was seen before."""
    BEYOND_MEMORY = "beyond memory"
    """It bears no younger time stamp than something that was forgotten: who knows."""


@record
class Sealed:
    """A packet whose MAC fits one stanza, if it asks for one, and that only a key ring opens."""

    stanza: int
    packet: Packet
    keyring: Keyring
    message: bytes
    """OpenPGP, binary."""


@dataclass(frozen=True, slots=True)
class Request:
    """The content of a packet that one stanza's credential sealed."""

    stanza: int
    """Number of the stanza, 1-based."""
    packet: Packet
    user: str
    sent_at: int
    """The sender's time stamp, Unix seconds."""
    version: str
    wish: Wish
    allow: Address | None
    """Whom to let in; None asks for the address that the packet came from (0.0.0.0)."""
    seconds: int
    """Duration asked for; 0: none named."""
    key: ReplayKey
    digest: Digest = Digest.SHA256
    """The digest inside the packet."""
    signer: str = ""
    """Fingerprint of the key that signed an OpenPGP packet, where signatures are looked at."""
    repeatable: bool = False
    """True: the same may come again and count again, because nothing tells the one from the
    other (shared knock sequences)."""
