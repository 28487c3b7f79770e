"""What is told by mail: which events are alerts, and the one line of each.

In here: the subjects, in the words of fwknop 1.9 where it has an alert of that kind.
Not in here: the log's lines (voice), sending (edges.mail), how many are sent
(service.daemon.alerts).

A mail passes through other hands, so no command of a caller and no packet is in it. No line has
a control character, whatever a packet said. Source: fwknopd server, 12.5.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.fwknop.voice_words import listed, said
from watchword.model.daemon_events import HostTrouble
from watchword.model.openings import Ending, Grant
from watchword.model.outcomes import (
    CommandStarted,
    CycleNotClosed,
    CycleOpening,
    Event,
    GrantEnded,
    Judged,
    Refusal,
)
from watchword.model.packets import Packet
from watchword.model.reasons import Reason

_LONGEST: Final = 300  # characters; a line of a header has 998 octets
_GOOD, _BAD = "[+]", "[-]"
_REFUSALS: Final = {
    Reason.TOO_OLD: "remote time stamp age difference is too large ({detail} sec), from: {ip}",
    Reason.FROM_THE_FUTURE: (
        "remote time stamp age difference is too large ({detail} sec), from: {ip}"
    ),
    Reason.WRONG_USER: "username mismatch from {ip}, expecting {expected}, got {detail}",
    Reason.SOURCE_REQUIRED: (
        "IP: {ip} sent SPA packet that contained 0.0.0.0 (-s on the client side) but "
        "REQUIRE_SOURCE_ADDRESS is enabled{stanza}"
    ),
    Reason.BLACKLISTED: "SPA packet from {ip} is blacklisted{stanza}",
    Reason.KEY_BLOCKED: "SPA packet from {ip} with a key that is blocked{stanza}",
    Reason.NO_COMMANDS: "received command but command mode not enabled for {ip}",
    Reason.NO_SUCH_ACTION: "received command that is no action of the stanza, for {ip}",
    Reason.ACTION_UNFIT: "received action whose arguments do not fit, for {ip}",
    Reason.COMMAND_NOT_ALLOWED: "received command but CMD_REGEX did not match {ip}",
}
"""Those that 1.9 sends a mail of, and ours of the same kind."""


def alert(event: Event, table: str, host: str) -> str | None:
    """The subject of the mail about an event; None: it is no alert.

    ``table`` stands where 1.9 names its chain, ``host`` is what this host is called.
    """
    found = _what(event, table)
    if found is None:
        return None
    prefix, text = found
    line = said(f"{prefix} {host} fwknopd: {text}")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _what(event: Event, table: str) -> tuple[str, str] | None:  # noqa: PLR0911 - one arm for each event
    match event:
        case Judged(grant=Grant() as grant) if grant.cycle is None:
            seconds = round(grant.ends - grant.began)
            return _GOOD, f"add {table} {_passage(grant)} ACCEPT rule {seconds} sec"
        case Judged(packet):
            return _refused(event.refusal, packet)
        case GrantEnded(grant, Ending.EXPIRED) if grant.cycle is None:
            seconds = round(grant.ends - grant.began)
            over = f"{seconds} sec timeout exceeded"
            return _GOOD, f"removed {table} ACCEPT rule for {_passage(grant)}, {over}"
        case GrantEnded(grant, Ending.REVOKED) if grant.cycle is None:
            return _GOOD, f"removed {table} ACCEPT rule for {_passage(grant)}, revoked"
        case GrantEnded(grant, Ending.CLOSED) if grant.cycle is None:
            said = "closed by its owner"
            return _GOOD, f"removed {table} ACCEPT rule for {_passage(grant)}, {said}"
        case CommandStarted(request):
            return _GOOD, f"executing command for {request.packet.peer}"
        case CycleOpening(request, command):
            who = request.packet.peer
            return _GOOD, f'executing external open command "{command}" for {who}'
        case CycleNotClosed(grant, _, why):
            return _BAD, f"external close command failed for {grant.who}: {why}"
        case HostTrouble(part, message):
            return _BAD, f"{part}: {message}"
        case _:
            return None


def _passage(grant: Grant) -> str:
    anywhere = "0.0.0.0/0" if grant.who.version == 4 else "::/0"
    return f"{grant.who} -> {grant.destination or anywhere}({listed(grant.services)})"


def _refused(refusal: Refusal | None, packet: Packet) -> tuple[str, str] | None:
    if refusal is None:
        return None
    if refusal.reason is Reason.REPLAYED:
        first = f" (original SPA src: {refusal.original.source})" if refusal.original else ""
        return _BAD, f"attempted SPA packet replay from: {packet.peer}{first}"
    text = _REFUSALS.get(refusal.reason)
    if text is None:
        return None
    stanza = f" (stanza #{refusal.stanzas[0]})" if refusal.stanzas else ""
    return _BAD, text.format(
        ip=packet.peer, detail=refusal.detail, expected=refusal.expected, stanza=stanza
    )
