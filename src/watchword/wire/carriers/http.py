"""A packet inside an HTTP request: writing one as clients do, finding it again (wire format, 14.3).

In here: the URL-safe alphabet, the request's lines, the address that a proxy
claims for its caller.
Not in here: collecting a request from a stream (stream), whether what was found
can be a packet (spa.envelope), who may be believed about X-Forwarded-For.

Requests come from strangers: no more than LONGEST bytes are looked at, and
whatever they are, the answer is a value.
"""

from __future__ import annotations

import re
from base64 import b64encode
from ipaddress import IPv6Address, ip_address
from itertools import takewhile
from typing import Final

from watchword.model.addresses import Address, canonical
from watchword.model.relays import Login
from watchword.record import record
from watchword.wire.spa.base64text import ALPHABET

LONGEST: Final = 4096
"""Bytes of a request, head and all; a client writes some 400, proxies add their own lines."""
AGENT: Final = "Fwknop/2.6.10"
"""As the compatible client calls itself; a name of our own would say who made the request."""

_TO_PATH: Final = bytes.maketrans(b"+/", b"-_")
_FROM_PATH: Final = bytes.maketrans(b"-_", b"+/")
_TARGET: Final = re.compile(rb"GET /(\S*)\s", re.IGNORECASE)
_AGENT_LINE: Final = b"User-Agent: Fwknop"  # as 2.6.10 looks for it, in this case only
_FORWARDED: Final = b"x-forwarded-for"
_SHOWN: Final = 64
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_AGENT_TEXT: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@record
class Carried:
    """What was found in a request."""

    payload: bytes
    """In the standard alphabet; nothing is known of it yet, ``flaw`` has to be asked."""
    forwarded_for: Address | None = None
    """The one address that X-Forwarded-For claims.

    Anybody can write that header. Believe it only of a proxy that the operator
    has listed, by the address the connection really came from. Narrower than
    fwknopd 2.6.10, which takes the first word of the first such line, be it in
    the body, of a list or 0.0.0.0, and then opens for everybody.
    """
    forwarded_text: str = ""
    """All that X-Forwarded-For says, for a log: 64 printable characters at the most.

    Not empty while ``forwarded_for`` is None: a list, a name or worse. Empty:
    there is no such header.
    """


def request(
    payload: bytes,
    host: str,
    *,
    proxy: str | None = None,
    agent: str = AGENT,
    port: int | None = None,
    login: Login | None = None,
) -> bytes:
    """The request that carries a packet, byte for byte as the 2.6.10 client writes it.

    Args:
        payload: As ``seal`` returns it.
        host: The server, a name or an address of either family; no port.
        proxy: The proxy that is connected to, likewise; None: the server itself.
        agent: 2.6.10 servers take the packet only if it begins with ``Fwknop``.
        port: The server's, as the proxy is told it; None: none, which means 80.
        login: Who we are to the proxy (2.6.10 has no such thing).

    Raises ValueError: the payload is no base64 text, or host, proxy or agent
    hold what would begin another word or line of the request, or the login's
    user has a colon.
    """
    if not payload or payload.translate(None, ALPHABET):
        raise ValueError("a payload that is not base64 text without padding")
    if not _AGENT_TEXT.fullmatch(agent):
        raise ValueError("a user agent that is not one line of printable ASCII")
    place = "" if proxy is None else f"http://{_host(host)}" + (f":{port}" if port else "")
    known = f"Proxy-Authorization: {basic(login)}\r\n" if proxy is not None and login else ""
    head = (
        f" HTTP/1.0\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
        f"Host: {_host(host if proxy is None else proxy)}\r\n{known}Connection: close\r\n\r\n"
    )
    return f"GET {place}/".encode("ascii") + payload.translate(_TO_PATH) + head.encode("ascii")


def basic(login: Login) -> str:
    """The value of an Authorization header (RFC 7617). Raises ValueError: a colon in the user."""
    if ":" in login.user:
        raise ValueError("a user name cannot hold a colon")
    words = login.user.encode("utf-8") + b":" + login.password.reveal()
    return f"Basic {b64encode(words).decode('ascii')}"


def extract(octets: bytes, *, any_agent: bool = False) -> Carried | None:
    """The packet in a request; None if this is no request that fwknop's rules take for one.

    It begins with ``GET /`` in any case, and a header line begins with
    ``User-Agent: Fwknop``. The packet is what follows the slash, to the first
    white space; ``+`` and ``/`` need not have been translated. Header lines
    count if they arrived to their end; neither their order nor a blank line
    after them matters.

    The payload has still to pass ``watchword.wire.spa.opening.flaw``, like one
    that came by itself: only there are length, alphabet and, lest a packet be
    replayed in other words, the prefix looked at (wire format, chapter 16).

    Args:
        octets: A captured payload, or what ``stream.Collector`` gave. None is the
            answer to more than LONGEST bytes.
        any_agent: Whatever the User-Agent is, and if there is none.
    """
    target = _TARGET.match(octets) if len(octets) <= LONGEST else None
    if target is None:
        return None
    lines = _header_lines(octets)
    if not any_agent and not any(line.startswith(_AGENT_LINE) for line in lines):
        return None
    claim = _forwarded(lines)
    return Carried(target[1].translate(_FROM_PATH), _one_address(claim), _shown(claim))


def _host(text: str) -> str:
    """A host as requests name it: an IPv6 address in brackets, without its zone."""
    try:
        address = ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise ValueError("a host that is neither a name nor an address") from None
        return text
    return f"[{text.partition('%')[0]}]" if isinstance(address, IPv6Address) else text


def _header_lines(octets: bytes) -> list[bytes]:
    """The lines between the first and the blank one, without those that were cut off."""
    lines = (line.removesuffix(b"\r") for line in octets.split(b"\n")[1:-1])
    return list(takewhile(bool, lines))


def _forwarded(lines: list[bytes]) -> bytes:
    """All values of X-Forwarded-For, with what a folded line adds to them, as one list."""
    values: list[bytes] = []
    inside = False
    for line in lines:
        value = line
        if not line.startswith((b" ", b"\t")):
            name, _, value = line.partition(b":")
            inside = name.lower() == _FORWARDED
        if inside:
            values.append(value.strip())
    return b", ".join(values)


def _one_address(claim: bytes) -> Address | None:
    """A list is nobody: of several, only the last was written by the proxy that is known."""
    text = claim.decode("latin-1")
    try:
        address = None if "%" in text else canonical(text)
    except ValueError:
        return None
    return None if address is None or address.is_unspecified else address


def _shown(claim: bytes) -> str:
    return re.sub(rb"[^ -~]", b"?", claim[:_SHOWN]).decode("ascii")
