"""What can be said of a packet: without a key, and with one.

In here: kind, sizes and spelling of any bytes; every field of an opened packet
as a value and as text.
Not in here: whether a server would take it (envelope.flaw, opening), why a
whole configuration would not (``watchword explain``).

For people and for tests; nothing decides on it. Nothing in here raises,
whatever the bytes, and no text has a key, a MAC or a server_auth in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from watchword.model.addresses import Address
from watchword.model.crypto import Digest
from watchword.model.reasons import Reason
from watchword.model.services import Service
from watchword.wire.spa import base64text, fields, grammar, rijndael
from watchword.wire.spa.digests import TEXT_LENGTH, kinds_of_length
from watchword.wire.spa.envelope import flaw
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.lengths import RIJNDAEL_BELOW
from watchword.wire.spa.mac import PREFIX, split
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Lock, unseal


class Encryption(IntEnum):
    """What a text is taken for, from its length alone (chapter 9); libfko's numbers."""

    UNKNOWN = 0
    RIJNDAEL = 1
    OPENPGP = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a payload may be put together; several may fit, and a key tells."""

    mac_chars: int
    """Characters at its end that are the MAC; 0: there is none."""
    macs: tuple[Digest, ...]
    """Kinds of MAC of this length."""
    encryption: Encryption
    encrypted_bytes: int
    """Rijndael: the blocks without the salt. OpenPGP: the whole message."""
    canonical: bool
    """Whether this is the one spelling of what it would stand for (chapter 16)."""

    def __str__(self) -> str:
        kinds = " or ".join(kind.name for kind in self.macs)
        mac = f"MAC of {self.mac_chars} characters ({kinds})" if kinds else "no MAC"
        size = f"{self.encrypted_bytes} bytes of {_ENCRYPTION_NAMES[self.encryption]}"
        return f"{mac}, {size}{'' if self.canonical else ', not canonical'}"


@dataclass(frozen=True, slots=True)
class Inside:
    """An opened packet, read to the end."""

    message: Message
    allow: Address
    services: tuple[Service, ...]
    """In the order of the packet; none for a command."""
    command: str | None
    target: tuple[str, int] | None
    """Host and port of a NAT request. Text from the packet: see LenientLock."""

    def texts(self) -> tuple[tuple[str, str], ...]:
        """Name and text of every field, safe to print; the text of server_auth is left out."""
        message = self.message
        rows = {
            "random": message.random,
            "user": message.user,
            "sent at": str(message.sent_at),
            "version": message.version,
            "type": f"{int(message.type)} ({message.type.display})",
            "message": message.text,
            "nat": message.nat,
            "server_auth": None if message.server_auth is None else "given",
            "seconds": str(message.seconds) if message.type.has_timeout else None,
            "digest": message.digest.name,
        }
        return tuple((name, _printable(text)) for name, text in rows.items() if text is not None)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What ``inspect`` found. ``str`` of it is a few lines for people."""

    length: int
    """Bytes."""
    flaw: Reason | None
    """Why no server of ours would try a key on it; None: it would."""
    encryption: Encryption
    """What a server takes the payload for, MAC included and prefix absent."""
    has_prefix: bool
    """Whether a prefix that senders cut off is still there."""
    layouts: tuple[Layout, ...]
    """By length of the MAC; only that of the lock, if there is one. Empty: no sender made this."""
    inside: Inside | None = None
    """None: there was no lock, or it did not open."""
    refused: SpaError | None = field(default=None, compare=False)
    """Why the lock did not open."""

    @property
    def is_canonical(self) -> bool:
        """Whether it is the one spelling of something."""
        return any(layout.canonical for layout in self.layouts)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.length} bytes, {_ENCRYPTION_NAMES[self.encryption]}"
        if self.flaw:
            yield f"no SPA packet: {self.flaw.word}"
        if self.has_prefix:
            yield "the prefix is on the wire"
        yield from (f"could be: {layout}" for layout in self.layouts)
        if self.refused:
            yield f"not opened: {self.refused.code.label}, {self.refused.reason.word}"
        if self.inside:
            yield from (f"{name}: {text}" for name, text in self.inside.texts())


_ENCRYPTION_NAMES = {
    Encryption.UNKNOWN: "unknown encryption",
    Encryption.RIJNDAEL: "Rijndael",
    Encryption.OPENPGP: "OpenPGP",
}


def inspect(payload: bytes, lock: Lock | None = None) -> Inspection:
    """Look at a payload, from outside or, with a lock, from inside. Never raises.

    >>> from watchword import spa
    >>> print(spa.inspect(b"8" * 139 + b"w"))
    140 bytes, Rijndael
    could be: no MAC, 96 bytes of Rijndael
    could be: MAC of 22 characters (MD5), 80 bytes of Rijndael
    could be: MAC of 43 characters (SHA256 or SHA3_256), 64 bytes of Rijndael

    With a lock, every field stands there:

    >>> credential = spa.Credential(spa.Secret(b"0123456789abcdef"))
    >>> message = spa.access(
    ...     spa.ANY_SOURCE, [spa.Service.parse("tcp/22")],
    ...     user="alice", now=1700000000, random=bytes,
    ... )
    >>> payload = spa.seal(message, credential, salt=bytes(8))
    >>> seen = spa.inspect(payload, spa.Lock(credential))
    >>> seen.inside.services
    (Service(proto=<Proto.TCP: 'tcp'>, port=22),)
    >>> print(seen)
    161 bytes, Rijndael
    could be: no MAC, 112 bytes of Rijndael
    random: 0000000000000000
    user: alice
    sent at: 1700000000
    version: 3.0.0
    type: 1 (Access msg)
    message: 0.0.0.0,tcp/22
    digest: SHA256
    """
    inside, refused = _look_inside(payload, lock)
    encryption = encryption_of(len(payload))
    return Inspection(
        length=len(payload),
        flaw=flaw(payload),
        encryption=encryption,
        has_prefix=payload.startswith((PREFIX, _PREFIXES.get(encryption, PREFIX))),
        layouts=tuple(
            layout
            for layout in _layouts(payload)
            if lock is None or layout.mac_chars == lock.mac_chars
        ),
        inside=inside,
        refused=refused,
    )


def encryption_of(length: int) -> Encryption:
    """What a text of so many characters is taken for (chapter 9)."""
    if not fields.MIN_TEXT <= length <= fields.MAX_TEXT:
        return Encryption.UNKNOWN
    return Encryption.RIJNDAEL if length < RIJNDAEL_BELOW else Encryption.OPENPGP


_MAC_LENGTHS: Final = [
    (0, ()),
    *((chars, kinds_of_length(chars)) for chars in sorted(set(TEXT_LENGTH.values()))),
]
_SHORTEST_PLAINTEXT: Final = 61
"""Bytes: every field as short as decoders take it, and an MD5 digest."""
_PREFIXES: Final = {Encryption.RIJNDAEL: PREFIX, Encryption.OPENPGP: b"hQ"}


def _layouts(payload: bytes) -> Iterator[Layout]:
    for chars, kinds in _MAC_LENGTHS:
        body, mac = split(payload, chars) if chars else (payload, b"none is needed")
        if mac and len(body) >= fields.MIN_TEXT and base64text.is_text(body):
            for encryption in _PREFIXES:
                size, canonical = _measure(body, encryption, has_mac=chars > 0)
                if size:
                    yield Layout(chars, kinds, encryption, size, canonical)


def _measure(body: bytes, encryption: Encryption, *, has_mac: bool) -> tuple[int, bool]:
    """Encrypted bytes and whether they are spelled canonically; 0: it cannot be this."""
    prefix = _PREFIXES[encryption]
    text = body if body.startswith(prefix) else prefix + body
    if encryption_of(len(text) if has_mac else len(body)) is not encryption:
        return 0, False
    octets = base64text.decode_leniently(text)
    canonical = text is not body and base64text.is_canonical(text, octets)
    if encryption is Encryption.OPENPGP:
        return len(octets), canonical
    blocks = len(octets) - rijndael.BLOCK
    if blocks <= _SHORTEST_PLAINTEXT or blocks % rijndael.BLOCK:
        return 0, False
    return blocks, canonical and octets.startswith(rijndael.MAGIC)


def _look_inside(payload: bytes, lock: Lock | None) -> tuple[Inside | None, SpaError | None]:
    if lock is None:
        return None, None
    try:
        return _read(unseal(payload, lock).message), None
    except SpaError as refused:
        return None, refused


def _read(message: Message) -> Inside:
    """A message that was opened has a text and a NAT field that say something."""
    target = None
    if message.nat is not None:
        host, _, port = message.nat.rpartition(",")
        target = host, int(port)
    if message.type is MessageType.COMMAND:
        allow, line = grammar.parse_command(message.text)
        return Inside(message, allow, (), line, target)
    allow, services = grammar.parse_access(message.text)
    return Inside(message, allow, services, None, target)


def _printable(text: str) -> str:
    """Control characters and bytes that are no text as escapes: no packet steers a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )
