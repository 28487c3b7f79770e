"""The message of an encrypted knock sequence: bytes, each of which is a hit at a port.

In here: message, checksum, cipher, ports, for both sides.
Not in here: following hits (recognise.sequences), sending them (edges.send).

Nothing but an 8-bit sum, the protocol's number and the address protects the message: whoever
hits 32 ports at random with the right beginning gets through once in some 20,000 times. The
key is stretched by one round of MD5. It is here for those who have such clients.

Source: legacy port knocking, sections 3 to 5 and 14.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from watchword.errors import PeerError
from watchword.model.crypto import CipherMode, Secret
from watchword.record import record
from watchword.wire.spa import rijndael
from watchword.wire.spa.errors import SpaError

PREFIX: Final = rijndael.MAGIC
"""What every message begins with."""
COLLECTED: Final = 32
"""Hits after which a server reads, whatever follows: of a longer message the rest is lost."""
SALT: Final = slice(8, 16)
USER_BYTES: Final = 23
"""Of a login name; what is longer is cut."""
READ_USER: Final = 8
"""Bytes of a longer name that a server reads."""
TCP, UDP, ICMP = 6, 17, 1
_PROTOCOLS: Final = (TCP, UDP, ICMP)
_FIXED: Final = 8
ANYBODY: Final = IPv4Address(0)


class UnreadableKnockError(PeerError):
    """No message of this key's."""


@record
class KnockMessage:
    """What an encrypted knock asks for."""

    allow: IPv4Address | None
    """Whom to let in; None: whoever sent it."""
    protocol: int
    """6, 17 or 1."""
    port: int
    """0 for ICMP."""
    user: str = ""


def compose(message: KnockMessage) -> bytes:
    """The plaintext, 8 to 31 bytes. Raises ValueError: a field does not fit."""
    if message.protocol not in _PROTOCOLS or not 0 <= message.port <= 65535:
        raise ValueError(f"no protocol and port: {message.protocol}/{message.port}")
    allow = message.allow or ANYBODY
    head = allow.packed + message.port.to_bytes(2, "big") + bytes([message.protocol])
    user = message.user.encode("utf-8", "surrogateescape").partition(b"\0")[0]
    return head + bytes([sum(head) % 256]) + user[:USER_BYTES]


def seal(message: KnockMessage, key: Secret, *, salt: bytes) -> bytes:
    """The 32 or 48 bytes that are knocked.

    ``salt``: 8 bytes from a cryptographic source, new for every message. Raises ValueError as
    ``compose``; SpaError: the key is longer than 32 bytes.
    """
    return rijndael.encrypt(compose(message), key, CipherMode.LEGACY, salt)


def open_message(octets: bytes, key: Secret) -> KnockMessage:
    """What 32 collected bytes say under a key.

    Padding that is none is kept as text: so the first half of a longer message can be read, with
    a cut name. Raises UnreadableKnockError; its text is the original's.
    """
    if len(octets) != COLLECTED or not octets.startswith(PREFIX):
        raise UnreadableKnockError("no such beginning")
    try:
        plaintext, _ = rijndael.decrypt(octets, key, CipherMode.LEGACY)
    except SpaError:
        raise UnreadableKnockError("nothing inside") from None
    if len(plaintext) < _FIXED:
        raise UnreadableKnockError("too short")
    head, checksum, user = plaintext[:7], plaintext[7], plaintext[8:]
    protocol = head[6]
    if protocol not in _PROTOCOLS:
        raise UnreadableKnockError(f"bad protocol number: {protocol}")
    if sum(head) % 256 != checksum:
        raise UnreadableKnockError("invalid checksum")
    port = int.from_bytes(head[4:6], "big")
    if port == 0 and protocol != ICMP:
        raise UnreadableKnockError("port 0")
    allow = IPv4Address(head[:4])
    name = user.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return KnockMessage(allow if allow != ANYBODY else None, protocol, port, name)


def ports_of(octets: bytes, offset: int) -> list[int]:
    """The ports that a message is knocked at, in order."""
    return [offset + each for each in octets]


def protocols_of(octets: bytes, *, rotate: bool) -> list[int]:
    """By which protocol each hit goes: TCP, or by turns, TCP first."""
    return [UDP if rotate and at % 2 else TCP for at in range(len(octets))]
