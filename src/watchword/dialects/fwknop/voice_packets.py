"""What the server says of one packet, in the words of fwknopd 2.6.10 and 2.6.11.

In here: one "received" line for each stanza that was tried, with the line of its
reason after it, and the bound on how much is said of one packet.
Not in here: those lines (voice_reasons), commands (voice_commands), other
events (voice), the JSON form (voice_json).

Text is bounded: of neighbouring stanzas that answered alike the first three
are named and the others summed up in one line; of many different answers the
first, the one that came nearest and the last are given. Source: fwknopd
server, sections 8 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from watchword.dialects.fwknop import voice_commands, voice_dump, voice_sharing
from watchword.dialects.fwknop.voice_added import added
from watchword.dialects.fwknop.voice_reasons import USER, before, besides, line, newer_wording
from watchword.dialects.fwknop.voice_words import ERROR_CODES, Line, Priority
from watchword.model.openings import Grant
from watchword.model.outcomes import CommandStarted, CycleOpening, Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.requests import CommandWish, Request, Sighting
from watchword.model.settings import LogChains, LogStyle

_NAMED = 3  # stanzas of a run that have lines of their own
_RUNS = 8  # runs of stanzas that are told in full

_E, _W, _I, _D = Priority.ERR, Priority.WARNING, Priority.INFO, Priority.DEBUG

_ENVELOPE: Final = {Reason.LENGTH: 4097, Reason.ALPHABET: 4098, Reason.PREFIX: 4096}


class PacketVoice:
    """Says judgements, for one configuration."""

    def __init__(self, chains: LogChains, style: LogStyle, *, whole: bool = False) -> None:
        """``whole``: the packet and the text of commands are in the debug lines."""
        self._chains = chains
        self._style = style
        self._whole = whole
        self._old = style is LogStyle.OLD
        self._expired: set[int] = set()

    def begun(self, event: CommandStarted | CycleOpening) -> Iterator[Line]:
        """A command of a packet begins; before the first one, what came before it."""
        if event.first:
            yield from self._before(event.request, event.refusals)
        yield from voice_commands.begun(event)

    def _before(self, request: Request, refusals: Sequence[Refusal]) -> Iterator[Line]:
        yield from self._refused(refusals, request.packet, request)
        if request.signer:
            yield _signed(request)
        yield self._received(request.packet, f"(stanza #{request.stanza})")

    def judged(self, event: Judged, debug: bool) -> Iterator[Line]:
        """Every stanza that was tried, in order, and what came of it."""
        if event.packet.forwarded and event.packet.proxied_for is None:
            claim = event.packet.forwarded
            yield (
                _W,
                f"Error parsing X-Forwarded-For header: value '{claim}' is not an IP address",
            )
        if event.request is not None and voice_commands.was_begun(event):
            if debug:
                yield from voice_dump.fields(event.request, whole=self._whole)
            yield from voice_commands.outcome(event, event.request)
            return
        if event.refusals:
            yield from self._refused(event.refusals, event.packet, event.request)
        if event.request is not None and event.request.signer:
            yield _signed(event.request)
        if event.grant is not None:
            yield from self._granted(event, event.grant)
        elif event.closed and event.request is not None:
            name = f"(stanza #{event.request.stanza})"
            yield self._received(event.packet, name)
            count = len(event.closed)
            what = f"{count} grant" if count == 1 else f"{count} grants"
            yield _I, f"[{event.packet.peer}] {name} Closed {what} of the sender's own."
        elif event.dry_run and event.request is not None:
            name = f"(stanza #{event.request.stanza})"
            yield self._received(event.packet, name)
            command = isinstance(event.request.wish, CommandWish)
            what = "command execution" if command else "firewall manipulation"
            said = f"--test mode enabled, skipping {what}."
            yield _W, f"[{event.packet.peer}] {name} {said}"
        if debug and event.request is not None:
            if event.grant is not None:
                yield _named(event.grant, self._chains.input)
            yield from voice_dump.fields(event.request, whole=self._whole)

    def _granted(self, event: Judged, grant: Grant) -> Iterator[Line]:
        yield self._received(event.packet, f"(stanza #{grant.stanza})")
        if grant.cycle is not None:
            yield from voice_commands.goes_on(grant, grant.cycle)
            return
        if event.resolved and grant.lead is not None:
            yield _I, "Resolved NAT IP in SPA message"
        yield from added(grant, self._chains, self._style)
        yield from voice_sharing.granted(grant, f"(stanza #{grant.stanza})")

    def _received(self, packet: Packet, name: str) -> Line:
        said = f"SPA Packet from IP: {packet.peer} received with access source match"
        return _I, said if self._old else f"{name} {said}"

    def _refused(
        self, refusals: Sequence[Refusal], packet: Packet, asked: Request | None
    ) -> Iterator[Line]:
        command = asked.wish.command if asked and isinstance(asked.wish, CommandWish) else ""
        runs = [list(group) for _, group in groupby(refusals, key=lambda each: each.reason)]
        nearest = max(refusals, key=lambda each: each.reason.stage, default=None)
        told = _told(runs, nearest)
        for index in told:
            yield from self._run(runs[index], packet, command)
        if left_out := len(runs) - len(told):
            yield _I, f"[{packet.peer}] and {left_out} more times the stanzas answered"

    def _run(self, run: Sequence[Refusal], packet: Packet, command: str) -> Iterator[Line]:
        first, reason = run[0], run[0].reason
        if reason is Reason.NO_STANZA:
            yield _W, f"No access data found for source IP: {packet.peer}"
        elif reason is Reason.REPLAYED:
            yield _W, _replay(packet, first.original)
        elif reason in _ENVELOPE:
            code = _ENVELOPE[reason]
            yield (
                _D,
                f"[{packet.peer}] preprocess_spa_data() returned error {code}: "
                f"'{ERROR_CODES[code]}' for incoming packet.",
            )
        else:
            yield from self._tried(run, packet, command)

    def _tried(self, run: Sequence[Refusal], packet: Packet, command: str) -> Iterator[Line]:
        """A run of stanzas that all said the same."""
        count = sum(len(each.stanzas) for each in run)
        named = 0
        for refusal in run:
            for number in refusal.stanzas[: _NAMED - named]:
                named += 1
                yield self._received(packet, f"(stanza #{number})")
                if not self._is_old_news(refusal.reason, number):
                    yield from self._why(refusal, packet, number, command)
        if not count:
            yield line(run[0], packet, "(no stanza)")
        elif count > named:
            yield line(run[-1], packet, _others(run, named))

    def _why(self, refusal: Refusal, packet: Packet, number: int, command: str) -> Iterator[Line]:
        """The line of a reason, in both wordings where the latest versions differ."""
        name = f"(stanza #{number})"
        if first := before(refusal, command):
            yield first
        yield line(refusal, packet, name)
        if more := besides(refusal, packet, name):
            yield more
        if not self._old and (newer := newer_wording(refusal, name)):
            yield newer

    def _is_old_news(self, reason: Reason, number: int) -> bool:
        if reason is not Reason.STANZA_EXPIRED:
            return False
        known = number in self._expired
        self._expired.add(number)
        return known


def _named(grant: Grant, chain: str) -> Line:
    return _D, f"Rule {grant.id} in {chain} is for {grant.user[:USER]}, (stanza #{grant.stanza})"


def _told(runs: Sequence[Sequence[Refusal]], nearest: Refusal | None) -> Sequence[int]:
    """Which runs are told in full: all, or the first, the nearest to an open port, the last."""
    last = len(runs) - 1
    if last < _RUNS:
        return range(last + 1)
    at = next((i for i, run in enumerate(runs) if nearest in run), last)
    return sorted({*range(_RUNS - 2), at, last})


def _others(run: Sequence[Refusal], named: int) -> str:
    """``(stanza #4..#10000)``: those of a run that have no lines of their own."""
    last = run[-1].stanzas[-1]
    for refusal in run:
        if named < len(refusal.stanzas):
            first = refusal.stanzas[named]
            return f"(stanza #{first}..#{last})" if first != last else f"(stanza #{last})"
        named -= len(refusal.stanzas)
    return f"(stanza #{last})"


def _replay(packet: Packet, original: Sighting | None) -> str:
    seen = (
        f"Replay detected from source IP: {packet.peer}, "
        f"Destination proto/port: {packet.protocol}/{packet.local_port}"
    )
    if original is None:
        return seen
    # The original prints local time here, and filters expect its form.
    created = datetime.fromtimestamp(original.at).strftime("%m/%d/%y %H:%M:%S")  # noqa: DTZ006
    return (
        f"{seen}, Original source IP: {original.source}, Original dst proto/port: "
        f"{original.protocol}/{original.destination_port}, Entry created: {created}"
    )


def _signed(request: Request) -> Line:
    return (
        _I,
        f"[{request.packet.peer}] (stanza #{request.stanza}) Incoming SPA data signed by "
        f"'{request.signer[-8:]}' (fingerprint '{request.signer}').",
    )
