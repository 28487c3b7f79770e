"""Posts to a webhook over HTTP, with or without TLS.

In here: one request, one status, within a limit of time; the signature.
Not in here: what is posted (dialects.fwknop.voice_webhook), trying again
(service.daemon.webhooks).

Redirections are not followed: they would take what is signed for one place to another. Of the
answer only the first line is read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
from contextlib import closing
from typing import Final

from watchword.edges.whereabouts.reaching import Deadline, connected
from watchword.errors import HostError
from watchword.model.crypto import Secret
from watchword.model.settings import Webhook
from watchword.model.whereabouts import bracketed

SIGNATURE: Final = "X-Watchword-Signature"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\n]*)?\r?\n")
_LONGEST: Final = 4096  # bytes of the first line of an answer
_MAY_PASS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class RefusedError(HostError):
    """The place does not take it, and would not the next time."""


def context(authorities: str) -> ssl.SSLContext:
    """How a place is verified; empty: by the system's certificates. Raises HostError."""
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except (OSError, ValueError) as error:
        what = authorities or "the system's certificates"
        raise HostError(
            f"{what} cannot be used as certificate authorities: {error}",
            hint="name a PEM file in WEBHOOK_CA_FILE, or install ca-certificates",
        ) from error


def signature(key: Secret, body: bytes) -> str:
    """The value of the header: HMAC-SHA-256 of the body."""
    return f"sha256={hmac.digest(key.reveal(), body, hashlib.sha256).hex()}"


def post(
    place: Webhook, body: bytes, *, key: Secret | None, tls: ssl.SSLContext | None, seconds: float
) -> None:
    """Post one body, JSON, and wait for the first line of the answer. Blocks.

    ``tls`` is there if the place has it.

    Raises RefusedError: it is not taken, and it is no use to try again.
    Raises HostError: it was not taken, or nobody knows, within ``seconds`` for everything.
    """
    deadline = Deadline(seconds)
    try:
        with closing(_channel(place, tls, deadline, seconds)) as channel:
            channel.settimeout(deadline.left())
            channel.sendall(_head(place, body, key) + body)
            status = _status(channel, deadline)
    except ssl.SSLCertVerificationError as error:
        why = f"the certificate of {place} does not count: {error.verify_message}"
        raise RefusedError(why) from error
    except TimeoutError:
        raise HostError(f"{place} did not answer within {seconds:g} seconds") from None
    except OSError as error:
        raise HostError(f"{place}: {error.strerror or error}") from error
    if not 200 <= status <= 299:
        kind = HostError if status in _MAY_PASS else RefusedError
        raise kind(f"{place} took nothing: HTTP status {status}")


def _channel(
    place: Webhook, tls: ssl.SSLContext | None, deadline: Deadline, seconds: float
) -> socket.socket:
    channel = _connected(place, deadline, seconds)
    if not place.tls or tls is None:
        return channel
    with channel:  # closed when this fails; else wrap_socket has taken what it holds
        channel.settimeout(deadline.left())
        return tls.wrap_socket(channel, server_hostname=place.host)


def _connected(place: Webhook, deadline: Deadline, seconds: float) -> socket.socket:
    """Over IPv6, or else over IPv4: for a way that leads nowhere there is half of the time."""
    try:
        half = Deadline(seconds / 2)
        return connected(place.host, place.port, 6, socket.SOCK_STREAM, half)
    except HostError as error:
        six = error
    try:
        return connected(place.host, place.port, 4, socket.SOCK_STREAM, deadline)
    except HostError as error:
        why = six if ":" in place.host else error
        raise HostError(f"{place} cannot be reached: {why}") from error


def _head(place: Webhook, body: bytes, key: Secret | None) -> bytes:
    usual = 443 if place.tls else 80
    port = "" if place.port == usual else f":{place.port}"
    lines = [
        f"POST {place.path} HTTP/1.1",
        f"Host: {bracketed(place.host)}{port}",
        "User-Agent: Watchword",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if key is not None:
        lines.append(f"{SIGNATURE}: {signature(key, body)}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def _status(channel: socket.socket, deadline: Deadline) -> int:
    heard = b""
    while b"\n" not in heard:
        channel.settimeout(deadline.left())
        piece = channel.recv(_LONGEST)
        heard += piece
        if not piece or len(heard) > _LONGEST:
            break
    found = _STATUS.match(heard)
    if found is None:
        raise HostError("the answer is not that of a web server")
    return int(found[1])
