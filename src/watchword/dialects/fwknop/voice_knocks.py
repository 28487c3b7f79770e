"""What the server says of one knock, in the words of fwknopd 1.9.

In here: the lines of a whole sequence, and of one that came to nothing.
Not in here: packets (voice_packets), reasons that both have (voice_reasons).

Source: legacy port knocking, sections 5, 6 and 10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.fwknop.voice_reasons import USER, line
from watchword.dialects.fwknop.voice_words import Line, Priority
from watchword.model.hits import KnockKind
from watchword.model.openings import Grant
from watchword.model.outcomes import Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.settings import LogChains

_W, _I = Priority.WARNING, Priority.INFO
_NAMED: Final = 8
"""Refusals of one knock that are told in full."""


def judged(event: Judged, chains: LogChains) -> Iterator[Line]:
    """Every stanza that was tried, in order, and what came of it."""
    packet = event.packet
    for refusal in event.refusals[:_NAMED]:
        yield from _refused(refusal, packet)
    if len(event.refusals) > _NAMED:
        yield _W, f"and {len(event.refusals) - _NAMED} more times the stanzas answered"
    if event.grant is not None:
        yield _whole(packet, event.grant.stanza)
        yield from _opened(event.grant, chains.input, renewed=event.renewed)
    elif event.dry_run and event.request is not None:
        yield _whole(packet, event.request.stanza)
        yield _W, f"[{packet.peer}] --test mode enabled, skipping firewall manipulation."
    elif event.refusals and all(each.reason is Reason.KNOCK_UNREADABLE for each in event.refusals):
        yield _W, f"sequence decrypt failed for {packet.peer}"


def _whole(packet: Packet, stanza: int) -> Line:
    if packet.knock is KnockKind.SHARED:
        said = f"port knock access sequence matched for {packet.peer}"
    else:
        said = f"successful knock decrypt for {packet.peer}"
    return _I, f"{said} (SOURCE block: {stanza})"


def _refused(refusal: Refusal, packet: Packet) -> Iterator[Line]:
    who = packet.peer
    if refusal.reason is Reason.KNOCK_UNREADABLE:
        of = f" for {who}" if refusal.detail == "invalid checksum" else ""
        yield _W, f"{refusal.detail}{of}"
    elif refusal.reason is Reason.KNOCK_TOO_LATE:
        yield _W, f"invalid encrypted sequence {who} timeout"
    elif refusal.reason is Reason.KNOCK_OUT_OF_TIME:
        yield _W, refusal.detail
    elif refusal.reason is Reason.REPLAYED:
        first = f", first sent from {refusal.original.source}" if refusal.original else ""
        yield _W, f"encrypted sequence from {who} is a replay{first}: nothing is opened"
    else:
        for number in refusal.stanzas[:1]:
            yield _whole(packet, number)
            yield from _why(refusal, packet, number)


def _why(refusal: Refusal, packet: Packet, number: int) -> Iterator[Line]:
    who, detail, expected = packet.peer, refusal.detail, refusal.expected
    if refusal.reason is Reason.WRONG_SYSTEM:
        yield _W, _system(who, detail, expected)
    elif refusal.reason is Reason.WRONG_USER and detail:
        yield _W, f"username mismatch, expected: {expected}, got: {detail[:USER]}"
    elif refusal.reason is Reason.WRONG_USER:
        yield _W, f"missing username in encrypted sequence, expected: {expected}"
    elif refusal.reason is Reason.KNOCK_LIMIT:
        yield _W, f"{who} exceeded knock limit (set to {detail} accesses)"
        yield _W, f"access controls for {who} will not be modified"
    else:
        yield line(refusal, packet, f"(SOURCE block: {number})")


def _system(who: str, found: str, expected: str) -> str:
    """``expected``: ``OS: name`` or ``OS regex: pattern``."""
    if not found:
        return f"could not fingerprint OS for {who}, expecting {expected}"
    what, _, wanted = expected.partition(": ")
    kind = "fingerprint" if what == "OS" else "regex"
    return f"OS {kind} mismatch for {who}: expected: {wanted}, received: {found}"


def _opened(grant: Grant, chain: str, *, renewed: bool) -> Iterator[Line]:
    anywhere = "0.0.0.0/0" if grant.who.version == 4 else "::/0"
    seconds = round(grant.ends - grant.began)
    for service in grant.services:
        way = f"{grant.who} -> {anywhere}({service})"
        if renewed:
            yield _I, f"source: {way} already allowed to connect in chain: {chain}"
        else:
            yield _I, f"add {chain} {way} ACCEPT rule {seconds} sec"
