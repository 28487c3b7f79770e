"""What the server says of one packet, in the words of fwknopd 2.6.10.

In here: the line of each reason, one "received" line before it for each stanza
that was tried, and the bound on how much is said of one packet.
Not in here: other events (voice), the JSON form (voice_json).

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

from watchword.dialects.fwknop.voice_words import ERROR_CODES, Line, Priority, listed
from watchword.model.openings import Grant
from watchword.model.outcomes import CommandStarted, Judged, Refusal
from watchword.model.packets import Packet
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, CommandWish, Request, Sighting
from watchword.wire.spa.errors import Code

_NAMED = 3  # stanzas of a run that have lines of their own
_RUNS = 8  # runs of stanzas that are told in full
_USER = 64  # characters of a user name; the format has no more
_COMMAND = 300  # characters of a command; the original's messages hold fewer

_E, _W, _I, _D = Priority.ERR, Priority.WARNING, Priority.INFO, Priority.DEBUG

# ``{at}`` is ``[ip] (stanza #n)``, ``{n}`` is ``(stanza #n)``.
_LINES: Final = {
    Reason.NO_SUCH_CIPHER: (
        _E,
        "{at} No stanza encryption mode match for encryption type: {detail:.1}.",
    ),
    Reason.STANZA_EXPIRED: (_I, "{at} Access stanza has expired"),
    Reason.MAC_MISMATCH: (_W, "{at} Error creating fko context: {text}"),
    Reason.NOT_DECRYPTED: (_W, "{at} Error creating fko context: {text}"),
    Reason.MALFORMED: (_W, "{at} Error creating fko context: {text}"),
    Reason.GPG_BUSY: (_W, "{at} Too many GPG packets are waiting, this one was dropped."),
    Reason.GPG_FAILED: (_E, "{at} Error creating fko context: {detail}"),
    Reason.UNSIGNED: (_W, "{at} Error creating fko context: {text}"),
    Reason.BADLY_SIGNED: (_W, "{at} Error creating fko context: {text}"),
    Reason.UNLISTED_SIGNER: (_W, "{at} Incoming SPA packet signed by{signer} list."),
    Reason.STORE_REFUSED: (_W, "{at} Could not add digest to replay cache"),
    Reason.TOO_OLD: (_W, "{at} SPA data time difference is too great ({detail} seconds)."),
    Reason.FROM_THE_FUTURE: (_W, "{at} SPA data time difference is too great ({detail} seconds)."),
    Reason.SOURCE_REQUIRED: (_W, "{at} Got 0.0.0.0 when valid source IP was required."),
    Reason.ADDRESS_NOT_HOST: (
        _W,
        "{at} Invalid source IP in SPA message, ignoring SPA packet: {detail}",
    ),
    Reason.NO_SUCH_FAMILY: (_W, "{at} The firewall here cannot open for {detail}."),
    Reason.WRONG_USER: (
        _W,
        "{at} Username in SPA data ({user}) does not match required username: {expected}",
    ),
    Reason.DIGEST_NOT_ALLOWED: (_W, "{at} The digest {detail} is not one of DIGEST_TYPE."),
    Reason.NO_FORWARDING: (
        _W,
        "{n} SPA packet from {ip} requested NAT access, but is not enabled/supported",
    ),
    Reason.NO_COMMANDS: (
        _W,
        "{at} SPA Command messages are not allowed in the current configuration.",
    ),
    Reason.NO_ACCESS: (_W, "{at} The stanza opens nothing (DISABLE_FW_ACCESS)."),
    Reason.COMMAND_UNREADABLE: (_W, "{at} The command cannot be split into words: {detail}."),
    Reason.COMMAND_NOT_ALLOWED: (_W, "{at} Received a command, but CMD_REGEX did not match."),
    Reason.COMMAND_UNCHECKED: (
        _E,
        "{at} Received a command that CMD_REGEX could not be held against: {detail}.",
    ),
    Reason.TOO_MANY_COMMANDS: (
        _W,
        "{at} The command is not run: {detail} others run already (MAX_COMMANDS).",
    ),
    Reason.PORT_RESTRICTED: (
        _W,
        "{at} One or more requested protocol/ports was denied per access.conf.",
    ),
    Reason.PORT_NOT_OFFERED: (
        _W,
        "{at} One or more requested protocol/ports was denied per access.conf.",
    ),
    Reason.COMMAND_NOT_STARTED: (_E, "{at} The command could not be started: {detail}"),
    Reason.FIREWALL_REFUSED: (_E, "{at} The firewall refused the change: nothing was opened."),
}
_ENVELOPE: Final = {Reason.LENGTH: 4097, Reason.ALPHABET: 4098, Reason.PREFIX: 4096}


class PacketVoice:
    """Says judgements, for one configuration."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._expired: set[int] = set()

    def started(self, event: CommandStarted) -> Iterator[Line]:
        """A command begins: the stanzas before, and the two lines of the original."""
        request, account = event.request, event.account
        yield from self._refused(event.refusals, request.packet)
        if request.signer:
            yield _signed(request)
        name = f"(stanza #{request.stanza})"
        yield _received(request.packet, name)
        at, command = f"[{request.packet.peer}] {name}", event.command[:_COMMAND]
        yield _I, f"{at} Processing SPA Command message: command='{command}'."
        whom = ""
        if account is not None:
            whom = (
                f" setuid/setgid user/group to {account.user}/{account.group} "
                f"(UID={account.uid},GID={account.gid})"
            )
        yield _I, f"{at} Running command '{command}'{whom}"

    def judged(self, event: Judged, debug: bool) -> Iterator[Line]:
        """Every stanza that was tried, in order, and what came of it."""
        if event.packet.forwarded and event.packet.proxied_for is None:
            claim = event.packet.forwarded
            yield (
                _W,
                f"Error parsing X-Forwarded-For header: value '{claim}' is not an IP address",
            )
        if event.request is not None and _was_begun(event):
            yield from _ended(event, event.request)
            return
        if event.refusals:
            yield from self._refused(event.refusals, event.packet)
        if event.request is not None and event.request.signer:
            yield _signed(event.request)
        if event.grant is not None:
            yield _received(event.packet, f"(stanza #{event.grant.stanza})")
            yield from self._added(event.grant)
        elif event.dry_run and event.request is not None:
            name = f"(stanza #{event.request.stanza})"
            yield _received(event.packet, name)
            command = isinstance(event.request.wish, CommandWish)
            what = "command execution" if command else "firewall manipulation"
            said = f"--test mode enabled, skipping {what}."
            yield _W, f"[{event.packet.peer}] {name} {said}"
        if debug and event.request is not None:
            if event.grant is not None:
                yield _named(event.grant, self._table)
            yield _asked(event.request)

    def _refused(self, refusals: Sequence[Refusal], packet: Packet) -> Iterator[Line]:
        runs = [list(group) for _, group in groupby(refusals, key=lambda each: each.reason)]
        nearest = max(refusals, key=lambda each: each.reason.stage, default=None)
        told = _told(runs, nearest)
        for index in told:
            yield from self._run(runs[index], packet)
        if left_out := len(runs) - len(told):
            yield _I, f"[{packet.peer}] and {left_out} more times the stanzas answered"

    def _run(self, run: Sequence[Refusal], packet: Packet) -> Iterator[Line]:
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
            yield from self._tried(run, packet)

    def _tried(self, run: Sequence[Refusal], packet: Packet) -> Iterator[Line]:
        """A run of stanzas that all said the same."""
        count = sum(len(each.stanzas) for each in run)
        named = 0
        for refusal in run:
            for number in refusal.stanzas[: _NAMED - named]:
                named += 1
                yield _received(packet, f"(stanza #{number})")
                if not self._is_old_news(refusal.reason, number):
                    yield _line(refusal, packet, f"(stanza #{number})")
        if not count:
            yield _line(run[0], packet, "(no stanza)")
        elif count > named:
            yield _line(run[-1], packet, _others(run, named))

    def _is_old_news(self, reason: Reason, number: int) -> bool:
        if reason is not Reason.STANZA_EXPIRED:
            return False
        known = number in self._expired
        self._expired.add(number)
        return known

    def _added(self, grant: Grant) -> Iterator[Line]:
        """One line for each port, each with the whole list, as the original."""
        anywhere = "0.0.0.0/0" if grant.who.version == 4 else "::/0"
        where = anywhere if grant.destination is None else str(grant.destination)
        text = (
            f"Added access rule to {self._table} for {grant.who} -> {where} "
            f"{listed(grant.services)}, expires at {int(grant.ends)}"
        )
        for _ in grant.services:
            yield _I, text


def _was_begun(event: Judged) -> bool:
    """Whether a command was, whose beginning has been told."""
    last = event.refusals[-1].reason if event.refusals else None
    return event.ran is not None or last is Reason.COMMAND_NOT_STARTED


def _ended(event: Judged, request: Request) -> Iterator[Line]:
    """How a command ended. The original has 255 for what cannot be started."""
    at = f"[{event.packet.peer}] (stanza #{request.stanza})"
    ran = event.ran
    if ran is None:
        yield _E, f"run_extcmd(): execvpe() failed: {event.refusals[-1].detail}"
        yield _I, f"{at} CMD_EXEC: command returned 0, pid_status: 255"
    elif ran.status is None:
        yield _W, f"{at} CMD_EXEC: the command was ended: {ran.trouble}"
    else:
        status = ran.status if ran.status >= 0 else 128 - ran.status
        yield _I, f"{at} CMD_EXEC: command returned 0, pid_status: {status}"
        if status and ran.said:
            yield _W, f"{at} CMD_EXEC: it said: {ran.said}"


def _named(grant: Grant, table: str) -> Line:
    return _D, f"Rule {grant.id} in {table} is for {grant.user[:_USER]}, (stanza #{grant.stanza})"


def _told(runs: Sequence[Sequence[Refusal]], nearest: Refusal | None) -> Sequence[int]:
    """Which runs are told in full: all, or the first, the nearest to an open port, the last."""
    last = len(runs) - 1
    if last < _RUNS:
        return range(last + 1)
    at = next((i for i, run in enumerate(runs) if nearest in run), last)
    return sorted({*range(_RUNS - 2), at, last})


def _received(packet: Packet, name: str) -> Line:
    return _I, f"{name} SPA Packet from IP: {packet.peer} received with access source match"


def _line(refusal: Refusal, packet: Packet, name: str) -> Line:
    priority, text = _LINES[refusal.reason]
    return priority, text.format(
        at=f"[{packet.peer}] {name}",
        n=name,
        ip=packet.peer,
        detail=refusal.detail,
        user=refusal.detail[:_USER],
        expected=refusal.expected,
        text=_library_text(refusal),
        signer=_signer(refusal),
    )


def _signer(refusal: Refusal) -> str:
    """The middle of the original's two sentences about lists of signers."""
    if refusal.expected == "id":
        return f" ID: {refusal.detail[-8:]}, but that ID is not in the GPG_REMOTE_ID"
    return f": {refusal.detail}, but that fingerprint is not in the GPG_FINGERPRINT_ID"


def _library_text(refusal: Refusal) -> str:
    if refusal.reason is Reason.MAC_MISMATCH:
        return Code.INVALID_DATA_HMAC_COMPAREFAIL.text
    return refusal.detail or Code.DECRYPTION_FAILURE.text


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


def _asked(request: Request) -> Line:
    wish = request.wish
    what = listed(wish.services) if isinstance(wish, AccessWish) else type(wish).__name__
    return (
        _D,
        f"[{request.packet.peer}] (stanza #{request.stanza}) SPA Decode: "
        f"user={request.user[:_USER]} sent_at={request.sent_at} version={request.version} "
        f"allow={request.allow} wants={what} seconds={request.seconds}",
    )
