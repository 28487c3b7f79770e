"""Asks a name server that answers one name with the address of whoever asks.

In here: the question, over UDP and, where the answer does not fit, over TCP;
by the library dnspython, which is loaded for this only.
Not in here: the text of an answer (wire.whereabouts.claims).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from watchword.edges.whereabouts.reaching import SECONDS, Deadline, addresses
from watchword.errors import HostError, PeerError
from watchword.model.addresses import Address
from watchword.model.whereabouts import Dns, Record
from watchword.wire.whereabouts import claims

if TYPE_CHECKING:
    from dns.message import Message

_WAITS: Final = (2.0, 3.0, 5.0)  # seconds; a question that is lost is asked again
_OWN: Final = {4: Record.A, 6: Record.AAAA}


def ask(server: Dns, version: int, *, seconds: float = SECONDS) -> Address:
    """The address that a name server sees us under.

    Args:
        version: 4 or 6: over which family we ask, and what the answer has to be.

    Raises HostError, PeerError. HostError also where dnspython is not installed.
    """
    deadline = Deadline(seconds)
    record = server.record or _OWN[version]
    answer = _answer(server, record, version, deadline)
    return claims.only(_addresses(answer, record, version), version)


def _answer(server: Dns, record: Record, version: int, deadline: Deadline) -> Message:
    try:
        from dns import exception, message, query  # noqa: PLC0415  (few runs need it)
    except ImportError:
        raise HostError(
            "asking a name server needs the library dnspython",
            hint="pip install 'watchword[dns]', or name a resolver of another kind",
        ) from None
    try:
        asked = message.make_query(server.name, str(record))
    except (exception.DNSException, ValueError):
        raise HostError(f"{server.name} cannot be asked for: it is no name in the DNS") from None
    kind = socket.SOCK_DGRAM
    place = addresses(server.host, server.port, version, kind, deadline)[0][0]
    for wait in _WAITS:
        try:
            answer, _ = query.udp_with_fallback(
                asked, place, deadline.left(wait), server.port,
                ignore_unexpected=True, ignore_errors=True,
            )  # fmt: skip
        except exception.Timeout:
            continue
        except (exception.DNSException, ValueError) as error:
            raise PeerError(f"the name server answers nothing sensible: {error}") from error
        except (OSError, EOFError) as error:
            raise HostError(f"the name server: {error}") from error
        return answer
    raise deadline.passed()


def _addresses(answer: Message, record: Record, version: int) -> Iterator[Address]:
    """What the records of an answer say. Raises PeerError."""
    from dns import exception, rcode  # noqa: PLC0415
    from dns.message import QueryMessage  # noqa: PLC0415

    if not isinstance(answer, QueryMessage):
        raise PeerError("the name server answers nothing sensible")
    if answer.rcode() != rcode.NOERROR:
        raise PeerError(f"the name server refuses: {rcode.to_text(answer.rcode())}")
    try:
        records = answer.resolve_chaining().answer
    except exception.DNSException as error:
        raise PeerError(f"the name server answers nothing sensible: {error}") from error
    for each in records or ():
        if record is Record.TXT:
            yield claims.whole(b"".join(each.strings), version)
        else:
            yield ip_address(each.address)
