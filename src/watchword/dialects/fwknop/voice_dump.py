"""The fields of a packet that was opened, as fwknopd -v shows them.

In here: the dump, with blanks where fwknop has them; the programs of the firewall.
Not in here: when it is told (voice_packets), the client's dump (client_dump).

A log is read by many and kept for long. So the text of a command and the packet itself are left
out unless somebody asked for all of it (VERBOSE 3); random value, digests and keys are in it
never. Source: fwknopd server, 11; client, 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.daemon_events import ProgramRan
from watchword.model.requests import AccessWish, CommandWish, ForwardWish, Request
from watchword.wire.spa.message import MessageType

WHOLE: Final = 3
"""From this verbosity on nothing is left out but what opens packets."""
PROGRAMS: Final = 4
"""From this verbosity on each program that works on the firewall is told."""
_WIDTH: Final = 15  # of the names
_ABSENT: Final = "<NULL>"
_LEFT_OUT: Final = f"(not shown; VERBOSE {WHOLE} shows it)"
_NEVER: Final = "(not shown)"
_D = Priority.DEBUG


def fields(request: Request, *, whole: bool) -> Iterator[Line]:
    """The dump, line by line. ``whole``: with commands and the packet."""
    kind = _type(request)
    rows = (
        ("Random Value", _NEVER),
        ("Username", request.user),
        ("Timestamp", str(request.sent_at)),
        ("FKO Version", request.version),
        ("Message Type", f"{int(kind)} ({kind.display})"),
        ("Message String", _message(request, whole=whole)),
        ("Nat Access", _nat(request)),
        ("Server Auth", _ABSENT),
        ("Client Timeout", str(request.seconds)),
        ("Digest Type", f"{int(request.digest)} ({request.digest.name})"),
        ("Encoded Data", _NEVER),
    )
    name = f"[{request.packet.peer}] (stanza #{request.stanza})"
    if whole:
        yield _D, f"SPA Packet: '{request.packet.payload.decode('ascii', 'replace')}'"
    yield _D, f"{name} SPA Decode (res=0):"
    yield _D, "SPA Field Values:"
    yield _D, "================="
    for label, value in rows:
        yield _D, f"{label:>{_WIDTH}}: {value}"


def program(event: ProgramRan) -> Iterator[Line]:
    """A program of the firewall's, in the words of fwknop 2.0.0rc1; a listing line by line."""
    yield _D, f"RES={event.status}, CMD_BUF: {' '.join(event.argv)} 2>&1"
    first, *rest = event.output.splitlines() or ["(nothing)"]
    yield _D, f"RULES LIST: {first}"
    yield from ((_D, line) for line in rest)


def _type(request: Request) -> MessageType:
    """What kind of message says this."""
    timed = bool(request.seconds)
    match request.wish:
        case CommandWish():
            return MessageType.COMMAND
        case ForwardWish(local=True):
            timed_or_not = MessageType.TIMEOUT_LOCAL_NAT_ACCESS, MessageType.LOCAL_NAT_ACCESS
        case ForwardWish():
            timed_or_not = MessageType.TIMEOUT_NAT_ACCESS, MessageType.NAT_ACCESS
        case AccessWish():
            timed_or_not = MessageType.TIMEOUT_ACCESS, MessageType.ACCESS
    return timed_or_not[0] if timed else timed_or_not[1]


def _message(request: Request, *, whole: bool) -> str:
    who = "0.0.0.0" if request.allow is None else str(request.allow)  # noqa: S104 - nothing is bound
    match request.wish:
        case CommandWish(command):
            return f"{who},{command if whole else _LEFT_OUT}"
        case AccessWish(services) | ForwardWish(services):
            return ",".join((who, *map(str, services)))


def _nat(request: Request) -> str:
    wish = request.wish
    return f"{wish.host},{wish.port}" if isinstance(wish, ForwardWish) else _ABSENT
