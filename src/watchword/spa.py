"""Single packet authorization as a library: seal a request into a packet, and open it again.

Compatible with fwknop's protocol 3.0.0 (the role that libfko plays there).
Needs nothing but ``cryptography``, does no I/O, and is the same on every
system. What is exported here is stable.

    >>> import secrets, time
    >>> from watchword import spa

Both sides have the same two keys, of 32 random bytes each or so:

    >>> credential = spa.Credential(
    ...     key=spa.Secret(secrets.token_bytes(32)),
    ...     mac_key=spa.Secret(secrets.token_bytes(32)),
    ... )

The client says what it wants. Random value and salt are new for every packet:

    >>> message = spa.Message(
    ...     random=f"{secrets.randbelow(10**16):016d}",
    ...     user="alice",
    ...     sent_at=int(time.time()),
    ...     version=spa.VERSION,
    ...     type=spa.MessageType.ACCESS,
    ...     text="192.0.2.7,tcp/22",
    ... )
    >>> payload = spa.seal(message, credential, salt=secrets.token_bytes(8))
    >>> len(payload)
    204

The server opens it. Whatever does not fit raises SpaError:

    >>> opened = spa.unseal(payload, spa.Lock(credential))
    >>> opened.message == message
    True
    >>> allow, services = spa.parse_access(opened.message.text)
    >>> str(allow), [str(service) for service in services]
    ('192.0.2.7', ['tcp/22'])
    >>> try:
    ...     spa.unseal(payload[:-1] + b"!", spa.Lock(credential))
    ... except spa.SpaError as error:
    ...     print(error.code.label, error.reason.word)
    FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL hmac-mismatch

A packet that opens is authentic, not new: whoever listens can send it again.
Remember ``packet_digest(payload)`` and ``plaintext_digest(opened.plaintext)``,
refuse what carries either of them again, and refuse what ``sent_at`` says is
old or from the future. Without an HMAC key a packet is not even authentic.

A server that is asked by strangers calls ``flaw(payload)`` first, then
``Bunch(locks).first_fit(payload)``, and ``open`` of the lock that fits.
"""

from __future__ import annotations

from typing import Final

from watchword.model.crypto import CipherMode, Credential, Digest, Secret
from watchword.model.outcomes import Reason
from watchword.model.services import Proto, Service
from watchword.wire.spa.digests import packet_digest, plaintext_digest
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.grammar import (
    ANY_SOURCE,
    BadAddressError,
    parse_access,
    parse_allow,
    parse_command,
    parse_nat,
)
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Bunch, Lock, Opened, flaw, unseal
from watchword.wire.spa.sealing import seal

__all__ = [
    "ANY_SOURCE",
    "VERSION",
    "BadAddressError",
    "Bunch",
    "CipherMode",
    "Code",
    "Credential",
    "Digest",
    "Lock",
    "Message",
    "MessageType",
    "Opened",
    "Proto",
    "Reason",
    "Secret",
    "Service",
    "SpaError",
    "flaw",
    "packet_digest",
    "parse_access",
    "parse_allow",
    "parse_command",
    "parse_nat",
    "plaintext_digest",
    "seal",
    "unseal",
]

VERSION: Final = "3.0.0"
"""What the version field of a new packet says."""
