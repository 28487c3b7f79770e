"""Asks a web page for our address, with or without TLS.

In here: the request, redirections, certificates.
Not in here: what an answer is (wire.whereabouts.web_answer), the page's text (claims).

Over TLS a redirection is followed to where TLS is used as well, a few times.
Without TLS none is: it is most often a portal that wants to be logged in to.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from watchword.edges import certificates
from watchword.edges.whereabouts.reaching import SECONDS, Deadline, connected
from watchword.errors import HostError, OperatorError, PeerError
from watchword.model.addresses import Address
from watchword.model.whereabouts import Web, bracketed
from watchword.wire.whereabouts import claims, web_answer
from watchword.wire.whereabouts.web_answer import WebAnswer

_PIECE: Final = 4096
_REDIRECTIONS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})


def ask(
    page: Web, version: int, *, agent: str | None, ca_file: str = "", seconds: float = SECONDS
) -> Address:
    """The address that a page begins with.

    Args:
        version: 4 or 6: over which family we ask, and what the answer has to be.
        agent: What we call ourselves; None: nothing.
        ca_file: PEM file with the authorities that count; empty: the system's.
        seconds: For everything together.

    Raises HostError, PeerError; OperatorError for a file of authorities that is none.
    """
    deadline = Deadline(seconds)
    context = _context(ca_file) if page.tls else None
    for _ in range(_REDIRECTIONS + 1):
        answer = _fetch(page, version, agent, context, deadline)
        if answer.status not in _MOVED:
            return _address(answer, version)
        page = _next(page, answer)
    raise PeerError(f"the page leads on more than {_REDIRECTIONS} times")


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise OperatorError(
            f"{Path(ca_file)} cannot be used as a file of certificate authorities: {reason}",
            hint="name a PEM file that can be read",
        ) from error
    # An answer that was cut short is none. The Python of Debian 12 takes one for whole.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context


def _address(answer: WebAnswer, version: int) -> Address:
    if answer.status != 200:
        raise PeerError(f"the page cannot be had: HTTP status {answer.status}")
    return claims.leading(answer.body, version)


def _next(page: Web, answer: WebAnswer) -> Web:
    if not page.tls:
        raise PeerError(
            f"the page leads on to {answer.location or 'nowhere'}, "
            "which is not followed without TLS; a portal may want to be logged in to"
        )
    try:
        target = urlsplit(urljoin(str(page), answer.location))
        port = target.port or 443
    except ValueError:
        raise PeerError("the page leads on to what is no URL") from None
    if target.scheme != "https" or not target.hostname:
        raise PeerError("the page leads on to one without TLS")
    query = f"?{target.query}" if target.query else ""
    return Web(target.hostname, port, f"{target.path or '/'}{query}", tls=True)


def _fetch(
    page: Web, version: int, agent: str | None, context: ssl.SSLContext | None, deadline: Deadline
) -> WebAnswer:
    channel = connected(page.host, page.port, version, socket.SOCK_STREAM, deadline)
    try:
        with closing(_secured(channel, page, context, deadline)) as stream:
            stream.settimeout(deadline.left())
            stream.sendall(_request(page, agent))
            return _answer(stream, deadline)
    except ssl.SSLCertVerificationError as error:
        raise HostError(
            f"the certificate of {page.host} does not count: {error.verify_message}",
            hint=certificates.remedy(error),
        ) from error
    except ssl.SSLError as error:
        why = error.reason or "it ended the connection"
        raise HostError(f"{page.host} does not speak TLS as it should: {why}") from error
    except TimeoutError:
        raise deadline.passed() from None
    except OSError as error:
        raise HostError(f"{page.host}: {error.strerror or error}") from error
    except ValueError as error:  # no certificate can be for such a name
        raise HostError(f"{page.host}: {error}") from error


def _secured(
    channel: socket.socket, page: Web, context: ssl.SSLContext | None, deadline: Deadline
) -> socket.socket:
    if context is None:
        return channel
    with channel:  # closed when this fails; else wrap_socket has taken what it holds
        channel.settimeout(deadline.left())
        return context.wrap_socket(channel, server_hostname=page.host, suppress_ragged_eofs=False)


def _answer(stream: socket.socket, deadline: Deadline) -> WebAnswer:
    heard, ended = b"", False
    while (answer := web_answer.read(heard, ended=ended)) is None:
        stream.settimeout(deadline.left())
        piece = stream.recv(_PIECE)
        heard, ended = heard + piece, not piece
    return answer


def _request(page: Web, agent: str | None) -> bytes:
    """As the compatible client asks, byte for byte."""
    called = f"User-Agent: {agent}\r\n" if agent is not None else ""
    return (
        f"GET {page.path} HTTP/1.0\r\n{called}Accept: */*\r\n"
        f"Host: {bracketed(page.host)}\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
