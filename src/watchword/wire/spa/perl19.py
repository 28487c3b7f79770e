"""Packets as the perl client 1.9.12 makes them, for servers that know no others (wire format, 15).

In here: what that client writes differently, and what its servers cannot read.
Not in here: reading, which needs nothing of its own: a lock with mode LEGACY
opens these packets, whatever the length of the key (opening).

Such a packet has no HMAC. Nothing else is wrong with it, and nothing protects
it but its digest: use it where there is no newer server.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Final

from watchword.model.crypto import CipherMode, Digest, Secret
from watchword.wire.spa import base64text, composing, grammar, rijndael
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.lengths import RIJNDAEL_BELOW
from watchword.wire.spa.mac import PREFIX
from watchword.wire.spa.message import Message, MessageType

PERL_VERSION: Final = "1.9.12"
"""What the version field of such a packet says."""
MIN_KEY: Final = 8
"""Bytes; the perl client refuses shorter passphrases."""

_DIGESTS: Final = frozenset({Digest.MD5, Digest.SHA1, Digest.SHA256})
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){1,2}")
_OLDEST: Final = 93
"""Of a version without its dots."""


def seal_as_perl(message: Message, key: Secret, *, salt: bytes) -> bytes:
    """Write a message as the perl client would: padded base64 inside, no HMAC, legacy key.

    Args:
        message: A type with a timeout is kept even where the timeout is 0. A
            type without becomes one with, if there are seconds; a command is
            sent without them. ``version`` is PERL_VERSION or the like.
        key: 8 to 32 bytes. Shorter than 16, it is extended with ``0``; longer, it
            counts in full, and fwknopd needs mode CBC to open the packet.
        salt: 8 bytes from a cryptographic source, new for every packet.

    Raises SpaError: what neither perl nor libfko could read is not written.

    >>> from watchword import spa
    >>> message = spa.Message(
    ...     "9122637394621052", "mbr", 1795252151, spa.PERL_VERSION,
    ...     spa.MessageType.ACCESS, "192.0.2.10,tcp/22",
    ... )
    >>> salt = bytes.fromhex("9b58ff03b3765882")
    >>> spa.seal_as_perl(message, spa.Secret(b"fwknoptest"), salt=salt)[:20]
    b'+bWP8Ds3ZYgikhPZZmQ5'
    """
    if len(salt) != rijndael.SALT_BYTES:
        raise ValueError("a salt is 8 bytes long")
    if len(key) < MIN_KEY:
        raise SpaError(Code.INVALID_KEY_LEN, f"perl servers want {MIN_KEY} bytes or more")
    plaintext = compose_as_perl(message)
    container = rijndael.encrypt(plaintext, key, CipherMode.LEGACY, salt)
    body = base64text.encode(container)[len(PREFIX) :]
    if len(body) >= RIJNDAEL_BELOW:
        raise SpaError(
            Code.INVALID_DATA_ENCRYPT_RESULT_MSGLEN_VALIDFAIL, "too long for an encrypted packet"
        )
    return body


def compose_as_perl(message: Message) -> bytes:
    """The plaintext of such a packet, digest included: what gpg seals where it is used.

    Raises SpaError: see ``seal_as_perl``.
    """
    _check(message)
    return composing.write(message, _type_of(message), base64text.encode_padded)


def _type_of(message: Message) -> MessageType:
    """Perl keeps the type that was asked for, with a timeout of 0 as well."""
    return message.type if message.type.has_timeout else message.type.for_seconds(message.seconds)


def _check(message: Message) -> None:
    """What 1.9 servers refuse, where composing would not. Raises SpaError."""
    if message.digest not in _DIGESTS:
        raise SpaError(Code.INVALID_DIGEST_TYPE, "perl servers know MD5, SHA1 and SHA256")
    digits = message.version.replace(".", "")
    if not _VERSION.fullmatch(message.version) or int(digits) < _OLDEST:
        raise SpaError(Code.INVALID_DATA, "perl servers refuse this version")
    carries_more = message.type.has_nat or message.type.has_timeout or message.seconds > 0
    if message.server_auth is not None and carries_more:
        raise SpaError(Code.UNSUPPORTED_FEATURE, "server_auth goes with no NAT and no timeout")
    if ":" in message.text.partition(",")[0]:
        raise SpaError(Code.INVALID_ALLOW_IP, "perl servers know no IPv6")
    if message.nat is not None and not _is_ipv4(message.nat.partition(",")[0]):
        raise SpaError(Code.INVALID_SPA_NAT_ACCESS_MSG, "perl servers know no names here")


def _is_ipv4(text: str) -> bool:
    try:
        return isinstance(grammar.parse_allow(text), IPv4Address)
    except ValueError:
        return False
