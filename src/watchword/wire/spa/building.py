"""Messages from typed values: one function for each kind of request.

In here: addresses, services and seconds to a Message that decoders accept.
Not in here: text to values (grammar), the checks (composing), encryption (sealing).

Nothing is drawn here: the time and the source of randomness are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from watchword.model.addresses import Address
from watchword.model.crypto import Digest
from watchword.model.services import Service
from watchword.wire.spa.composing import compose
from watchword.wire.spa.errors import Code, SpaError
from watchword.wire.spa.message import Message, MessageType

VERSION: Final = "3.0.0"
"""What the version field of a new packet says."""

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Gives as many bytes as it is asked for, from a cryptographic source: ``secrets.token_bytes``."""

_DRAWN: Final = 16
"""Bytes for one random value of sixteen digits; the remainder is even to one part in 2**74."""


def access(
    allow: Address,
    services: Sequence[Service],
    *,
    user: str,
    now: float,
    random: RandomBytes,
    seconds: int = 0,
    digest: Digest = Digest.SHA256,
    version: str = VERSION,
) -> Message:
    """Ask that ``allow`` may reach these services of the server.

    Args:
        allow: Who is to be let in; ANY_SOURCE: whoever the packet comes from. An
            IPv6 address is an extension that packaged servers refuse.
        services: At least one.
        user: 1 to 48 characters of printable ASCII, without ``" / \\ [ ] : ; | = , + * ? < >``.
        now: The sender's clock, Unix seconds. Servers refuse what differs by more than
            two minutes from theirs, unless they were told otherwise.
        random: Called once, for 16 bytes.
        seconds: How long, 1 to 65536; 0: as long as the server grants by default.

    Raises SpaError: a value is not what decoders accept. ``code`` is the
    number that libfko gives, ``detail`` says more.

    >>> from ipaddress import IPv4Address
    >>> from watchword import spa
    >>> ssh = spa.Service.parse("tcp/22")
    >>> message = spa.access(
    ...     IPv4Address("192.0.2.7"), [ssh], seconds=60,
    ...     user="alice", now=1700000000, random=bytes,  # yours is secrets.token_bytes
    ... )
    >>> message.text, message.random, message.type.name
    ('192.0.2.7,tcp/22', '0000000000000000', 'TIMEOUT_ACCESS')
    """
    return _checked(
        MessageType.ACCESS, _text(allow, services), None, seconds,
        user=user, now=now, random=random, digest=digest, version=version,
    )  # fmt: skip


def nat_access(
    allow: Address,
    services: Sequence[Service],
    host: Address | str,
    port: int,
    *,
    user: str,
    now: float,
    random: RandomBytes,
    seconds: int = 0,
    digest: Digest = Digest.SHA256,
    version: str = VERSION,
) -> Message:
    """Ask that ``allow`` may reach ``host`` behind the server, through a port of the server.

    Args:
        services: Which port of the server leads there; the first is what counts.
        host: Where connections end up: an address, or a name the server resolves.
        port: On that host, 1 to 65535.

    The rest is as for ``access``, and so are the errors.

    >>> from ipaddress import IPv4Address
    >>> from watchword import spa
    >>> message = spa.nat_access(
    ...     spa.ANY_SOURCE, [spa.Service.parse("tcp/40001")], IPv4Address("10.0.0.5"), 22,
    ...     user="alice", now=1700000000, random=bytes,
    ... )
    >>> message.text, message.nat, message.type.name
    ('0.0.0.0,tcp/40001', '10.0.0.5,22', 'NAT_ACCESS')
    """
    return _checked(
        MessageType.NAT_ACCESS, _text(allow, services), f"{host},{port}", seconds,
        user=user, now=now, random=random, digest=digest, version=version,
    )  # fmt: skip


def local_nat_access(
    allow: Address,
    services: Sequence[Service],
    host: Address | str,
    port: int,
    *,
    user: str,
    now: float,
    random: RandomBytes,
    seconds: int = 0,
    digest: Digest = Digest.SHA256,
    version: str = VERSION,
) -> Message:
    """Ask that ``allow`` may reach a local port of the server through another of its ports.

    As ``nat_access``; ``host`` is an address of the server itself.
    """
    return _checked(
        MessageType.LOCAL_NAT_ACCESS, _text(allow, services), f"{host},{port}", seconds,
        user=user, now=now, random=random, digest=digest, version=version,
    )  # fmt: skip


def command(
    allow: Address,
    line: str,
    *,
    user: str,
    now: float,
    random: RandomBytes,
    digest: Digest = Digest.SHA256,
    version: str = VERSION,
) -> Message:
    """Ask the server to run a command line, where it was set up to do so.

    Args:
        allow: As for ``access``; a server may insist on a real address here.
        line: What its shell gets; UTF-8, anything but NUL. With the address it
            fits into 192 bytes.

    The rest is as for ``access``, and so are the errors.

    >>> from watchword import spa
    >>> spa.command(spa.ANY_SOURCE, "w", user="alice", now=1700000000, random=bytes).text
    '0.0.0.0,w'
    >>> try:
    ...     spa.command(spa.ANY_SOURCE, "", user="alice", now=1700000000, random=bytes)
    ... except spa.SpaError as error:
    ...     print(int(error.code), error.code.label, error.reason.word, error.detail, sep="; ")
    101; FKO_ERROR_INVALID_SPA_COMMAND_MSG; malformed; no command after the allow address
    """
    return _checked(
        MessageType.COMMAND, f"{allow},{line}", None, 0,
        user=user, now=now, random=random, digest=digest, version=version,
    )  # fmt: skip


def _text(allow: Address, services: Sequence[Service]) -> str:
    return ",".join([str(allow), *map(str, services)])


def _checked(
    kind: MessageType,
    text: str,
    nat: str | None,
    seconds: int,
    *,
    user: str,
    now: float,
    random: RandomBytes,
    digest: Digest,
    version: str,
) -> Message:
    """The message, once it is known that it can be written."""
    if not math.isfinite(now):
        raise SpaError(Code.INVALID_DATA_TIMESTAMP_VALIDFAIL)
    message = Message(
        random=_digits(random), user=user, sent_at=math.floor(now), version=version,
        type=kind.for_seconds(seconds), text=text, nat=nat, seconds=seconds, digest=digest,
    )  # fmt: skip
    compose(message)
    return message


def _digits(random: RandomBytes) -> str:
    drawn = random(_DRAWN)
    if len(drawn) != _DRAWN:
        raise ValueError(f"a source of randomness gave {len(drawn)} bytes, not {_DRAWN}")
    return f"{int.from_bytes(drawn, 'big') % 10**16:016d}"
