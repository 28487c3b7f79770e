"""Why a packet is, was or would be refused: the daemon's own steps, changing nothing.

In here: every stanza's verdict on one packet, and what would have been done.
Not in here: words for people (dialects), reading files and arguments
(service.tool.explain).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from watchword.edges.capture.requests import Requests
from watchword.errors import HostError, PeerError
from watchword.grant.actions import not_allowed
from watchword.grant.decide import authorise
from watchword.grant.permits import CommandPermit, Unresolved, Yes
from watchword.model.moments import Moment
from watchword.model.openpgp import Decrypted
from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.model.reasons import Reason, Stage
from watchword.model.requests import Claim, ReplayKey, Request, Sealed, Sighting
from watchword.model.settings import HttpRequests
from watchword.ports import HostNames, OpenPgp
from watchword.recognise.spa import SpaRecogniser
from watchword.record import record
from watchword.wire.carriers import http
from watchword.wire.spa.envelope import flaw

Seen: TypeAlias = tuple[Claim, Sighting | None]
"""What a replay store would say of a key, and how it arrived first, where that is known."""


@record
class Verdict:
    """What one stanza says. One of ``refusal`` and ``permit`` is there."""

    stanza: int
    refusal: Refusal | None = None
    permit: Yes | None = None
    request: Request | None = None
    """What the packet asks for, where this stanza's key opened it."""


@dataclass(slots=True)
class Explanation:
    packet: Packet
    at: Moment
    envelope: Refusal | None = None
    """Refused before any stanza was asked."""
    in_request: bool = False
    """It is an HTTP request, what is inside could be a packet, and the daemon is not told to look
    into requests like this."""
    verdicts: list[Verdict] = field(default_factory=list)
    """One for each stanza, in order, those that SOURCE or DESTINATION rule out included."""
    remembered: Refusal | None = None
    """What the replay store has against it."""

    @property
    def permit(self) -> Yes | None:
        """What would be granted now; None: nothing."""
        if self.envelope or self.remembered:
            return None
        return next((each.permit for each in self.verdicts if each.permit), None)

    @property
    def refusal(self) -> Refusal | None:
        """The refusal that comes nearest to an open port; None if something is granted."""
        if self.permit:
            return None
        refusals = [each.refusal for each in self.verdicts if each.refusal]
        if self.remembered:
            refusals.append(self.remembered)
        if self.envelope:
            refusals.append(self.envelope)
        return max(refusals, key=lambda each: each.reason.stage, default=None)


def no_patterns(pattern: str, text: str) -> bool:
    """For who has no policy with a CMD_REGEX."""
    raise HostError("there is nothing here that matches regular expressions")


def explain(
    packet: Packet,
    policy: Policy,
    now: Moment,
    seen: Callable[[ReplayKey], Seen],
    openpgp: OpenPgp,
    *,
    requests: HttpRequests | None = None,
    fits: Callable[[str, str], bool] = no_patterns,
    names: HostNames | None = None,
) -> Explanation:
    """Judge a packet as the daemon would have at that time.

    Args:
        packet: With the source address it came, or would come, from.
        policy: As loaded.
        now: The time to judge by.
        seen: Looks a key up in the replay store, without claiming it, as ``read_claim``.
        openpgp: Opens OpenPGP packets whose MAC fits.
        requests: How HTTP requests are looked into; None: they are not.
        fits: Whether a CMD_REGEX matches a command. May raise HostError.
        names: Knows hosts that packets name; None: they have no addresses.

    Raises HostError: gpg would be needed and cannot be used.
    """
    told = Explanation(packet, now)
    reason = flaw(packet.payload)
    if reason is not None:
        found = Requests(requests).look_into(
            packet.payload, packet.peer, connected=packet.connected
        )
        if found is None:
            told.envelope = Refusal(reason)
            told.in_request = _carries_a_packet(packet.payload)
            return told
        packet = packet._replace(payload=found.payload, forwarded=found.forwarded)
        told.packet = packet
    by_stanza = _nearest(_verdicts(packet, policy, now, openpgp, fits, names))
    for terms in policy.stanzas:
        if terms.knock is not None:
            continue  # no packet is for it
        shut_out = Verdict(terms.number, Refusal(Reason.NO_STANZA, (terms.number,)))
        told.verdicts.append(by_stanza.get(terms.number, shut_out))
    if policy.remember:
        against = (_claimed(each.request, seen) for each in told.verdicts if each.request)
        told.remembered = next(filter(None, against), None)
    return told


def _nearest(verdicts: Iterable[Verdict]) -> dict[int, Verdict]:
    """Of each stanza, by its number, the one that came nearest to an open port."""
    by_stanza: dict[int, Verdict] = {}
    for verdict in verdicts:
        before = by_stanza.get(verdict.stanza)
        if before is None or _nearness(verdict) > _nearness(before):
            by_stanza[verdict.stanza] = verdict
    return by_stanza


def _claimed(request: Request, seen: Callable[[ReplayKey], Seen]) -> Refusal | None:
    """What the replay store has against a request; None: it would be the first time."""
    claim, sighting = seen(request.key)
    match claim:
        case Claim.FIRST:
            return None
        case Claim.KNOWN:
            return Refusal(Reason.REPLAYED, original=sighting)
        case Claim.BEYOND_MEMORY:
            return Refusal(Reason.BEYOND_MEMORY, (request.stanza,))


def _carries_a_packet(payload: bytes) -> bool:
    found = http.extract(payload, any_agent=True)
    return found is not None and flaw(found.payload) is None


def _nearness(verdict: Verdict) -> int:
    """How near to an open port: of a stanza with two keys the better verdict counts."""
    return verdict.refusal.reason.stage if verdict.refusal else len(Stage) + 1


def _verdicts(  # noqa: PLR0917 - what ``explain`` is given, handed on
    packet: Packet,
    policy: Policy,
    now: Moment,
    openpgp: OpenPgp,
    fits: Callable[[str, str], bool],
    names: HostNames | None,
) -> Iterator[Verdict]:
    recogniser = SpaRecogniser(policy)
    for found in recogniser.observe(packet, now):
        finding = found
        if isinstance(finding, Sealed):
            finding = recogniser.unsealed(finding, _opened(finding, openpgp), now)
        if isinstance(finding, Refusal):
            yield from (Verdict(number, finding) for number in finding.stanzas)
            continue
        answer = authorised(policy, finding, now, names)
        if isinstance(answer, CommandPermit):
            answer = checked(answer, fits)
        if isinstance(answer, Refusal):
            yield Verdict(finding.stanza, answer, request=finding)
        else:
            yield Verdict(finding.stanza, permit=answer, request=finding)


def authorised(
    policy: Policy, request: Request, now: Moment, names: HostNames | None
) -> Yes | Refusal:
    """The judgement on a request, and if that takes the addresses of a host, with those."""
    answer = authorise(policy, request, now)
    if isinstance(answer, Unresolved):
        try:
            named = tuple(names.addresses(answer.host)) if names is not None else ()
        except HostError:
            named = ()
        answer = authorise(policy, request, now, named)
    return cast("Yes | Refusal", answer)


def checked(permit: CommandPermit, fits: Callable[[str, str], bool]) -> CommandPermit | Refusal:
    """The rest of the judgement on a command, as the hand makes it."""
    stanza = permit.request.stanza
    for check in permit.job.checks:
        try:
            if not fits(check.pattern, check.text):
                return not_allowed(stanza, check.argument)
        except HostError as error:
            return Refusal(Reason.COMMAND_UNCHECKED, (stanza,), str(error))
    return permit


def _opened(sealed: Sealed, openpgp: OpenPgp) -> Decrypted | PeerError:
    try:
        return openpgp.decrypt(sealed.keyring, sealed.message)
    except PeerError as error:
        return error
