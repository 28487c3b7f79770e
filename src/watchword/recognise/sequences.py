"""Recognises knocks as fwknop 1.9 knew them: whose sequence a hit belongs to, and what it says.

In here: attempts by sender and stanza, their bounds and their time, from a whole sequence to a
request. Not in here: the rules of one stanza (collecting), the message (wire.knock_message),
where hits come from (edges.capture), whether a request is allowed (grant.decide).

Source: legacy port knocking, sections 5 and 6.

No clock and no I/O: every method is told the time. Anybody can make up senders: only what
begins like a sequence is followed at all, and attempts have a cap (places).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from watchword.model.addresses import Address
from watchword.model.doors import address_of
from watchword.model.hits import Hit, KnockKind
from watchword.model.moments import Moment
from watchword.model.old_knocks import Encrypted, KnockTerms, Shared
from watchword.model.outcomes import Finding, Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy
from watchword.model.reasons import Reason
from watchword.model.requests import AccessWish, ReplayKey, Request, Sighting
from watchword.model.services import Proto, Service
from watchword.recognise.collecting import Attempt, EncryptedWatch, Watch, watch_of
from watchword.recognise.fingerprints import systems
from watchword.recognise.places import Places
from watchword.wire.knock_message import (
    SALT,
    KnockMessage,
    UnreadableKnockError,
    open_message,
)

MOST_ATTEMPTS: Final = 65_536
NEVER: Final = float("inf")
FOR_EVER: Final = 1 << 62
"""Stands for the time stamp that an encrypted knock does not have, where it is remembered: no
memory of packets that is given up reaches so far."""
VERSION: Final = "1.9"
_REMEMBERED: Final = b"knock of fwknop 1.9: "
_PROTOS: Final = {6: Proto.TCP, 17: Proto.UDP}


class Knocked(NamedTuple):
    """What a sequence has come to."""

    packet: Packet
    """Stands for its last hit."""
    findings: Sequence[Finding]
    """Of each stanza that it was for, in order: requests and refusals."""


class SequenceRecogniser:
    """Turns hits into requests."""

    def __init__(self, policy: Policy, most: int = MOST_ATTEMPTS) -> None:
        found = (watch_of(terms) for terms in policy.stanzas)
        self._watches = [watch for watch in found if watch is not None]
        self._firsts: dict[int, list[Watch]] = {}
        """By the port of a first hit."""
        for watch in self._watches:
            self._firsts.setdefault(watch.first_port, []).append(watch)
        self._signatures = policy.signatures
        self._attempts: dict[bytes, list[Attempt]] = {}
        """By sender, in the order of the stanzas."""
        self._places: Places[Attempt] = Places(most)
        self._latest = 0.0
        self._deadline = NEVER

    def __len__(self) -> int:
        """Attempts under way."""
        return len(self._places)

    @property
    def watches(self) -> Sequence[Watch]:
        return self._watches

    # --- hits --------------------------------------------------------------

    def observe(self, hit: Hit, now: Moment) -> Sequence[Knocked]:
        """What a hit does, after what has come to its end by now.

        ``now``: when it came. Hits that come out of order are taken as if they had come at the
        time of the latest.
        """
        steady = self._latest = max(now.steady, self._latest)
        now = Moment(now.wall, steady)
        told = list(self.expire(now)) if steady >= self._deadline else []
        under_way = {each.watch: each for each in self._attempts.get(hit.source, ())}
        firsts = self._firsts.get(hit.port, ())
        if not under_way and not firsts:
            return told  # most of what strangers send ends here
        found: dict[KnockKind, list[Finding]] = {}
        concerned = sorted({*under_way, *firsts}, key=lambda each: each.terms.number)
        for watch in concerned:
            attempt = self._attempt(watch, under_way.get(watch), hit, now)
            if attempt is not None and (findings := list(self._step(attempt, hit, now))):
                found.setdefault(watch.knock.kind, []).extend(findings)
        told += [Knocked(_packet(hit, kind), findings) for kind, findings in found.items()]
        return told

    def _attempt(
        self, watch: Watch, attempt: Attempt | None, hit: Hit, now: Moment
    ) -> Attempt | None:
        """The one that a hit goes to, which may begin with it; None: it changes nothing."""
        if attempt not in watch.attempts:
            attempt = None  # it had to make room for another one of the same sender's
        if attempt is not None and attempt.began + watch.interval <= now.steady:
            self._drop(attempt)  # it began anew, and stands behind others that end later
            attempt = None
        if attempt is None:
            if watch.begins(hit) and self._admits(watch, hit, now):
                return self._begin(watch, hit.source)
            return None
        return attempt if watch.heeds(hit) and not attempt.is_sent_again(hit) else None

    def _admits(self, watch: Watch, hit: Hit, now: Moment) -> bool:
        terms = watch.terms
        source, destination = address_of(hit.source), address_of(hit.destination)
        return not terms.expired(now.wall) and terms.admits(source, destination, hit.interface)

    def _begin(self, watch: Watch, source: bytes) -> Attempt:
        if (outsider := self._places.outsider()) is not None:
            self._drop(outsider)
        attempt = Attempt(watch, source)
        self._attempts.setdefault(source, []).append(attempt)
        self._places.begin(attempt)
        watch.attempts[attempt] = None
        return attempt

    def _step(self, attempt: Attempt, hit: Hit, now: Moment) -> Iterator[Finding]:
        watch = attempt.watch
        before = len(attempt)
        goes_on = watch.step(attempt, hit, now.steady)
        attempt.note(hit)
        if isinstance(goes_on, Refusal):
            yield goes_on
        elif goes_on and watch.is_complete(attempt):
            yield self._whole(attempt, hit, now)
            goes_on = isinstance(watch, EncryptedWatch) and watch.resume(attempt)
        if goes_on is not True:
            self._drop(attempt)
        elif len(attempt) <= before or before == 0:
            self._began(attempt)
        elif before == 1:
            self._places.goes_on(attempt)

    def _began(self, attempt: Attempt) -> None:
        """An attempt begins, or begins anew."""
        attempt.watch.attempts.move_to_end(attempt)
        self._deadline = min(self._deadline, attempt.began + attempt.watch.interval)

    def _drop(self, attempt: Attempt) -> None:
        del attempt.watch.attempts[attempt]
        self._places.drop(attempt)
        left = self._attempts[attempt.source]
        left.remove(attempt)
        if not left:
            del self._attempts[attempt.source]

    # --- whole sequences ---------------------------------------------------

    def _whole(self, attempt: Attempt, hit: Hit, now: Moment) -> Finding:
        terms = attempt.watch.terms
        whole = _Whole(terms.number, attempt, hit, now)
        match terms.knock:
            case Encrypted() as knock:
                try:
                    message = open_message(bytes(attempt.octets), knock.key)
                except UnreadableKnockError as error:
                    return Refusal(Reason.KNOCK_UNREADABLE, (terms.number,), str(error))
                wrong = self._system(attempt, knock, hit)
                return wrong or _encrypted(whole, knock, message)
            case Shared() as knock:
                wrong = self._system(attempt, knock, hit)
                return wrong or _shared(whole, knock)
            case None:
                raise AssertionError("a stanza that is not knocked at is not watched")

    def _system(self, attempt: Attempt, knock: KnockTerms, hit: Hit) -> Refusal | None:
        """What is wrong with the sender's system, as far as it can be told."""
        rule = knock.system
        if rule is None:
            return None
        looks = [hit._replace(look=look) for look in attempt.looks]
        names = sorted({name for each in looks for name in systems(each, self._signatures)})
        if any(rule.admits(name) for name in names):
            return None
        number = attempt.watch.terms.number
        return Refusal(Reason.WRONG_SYSTEM, (number,), ", ".join(names), str(rule))

    # --- time --------------------------------------------------------------

    def expire(self, now: Moment) -> Sequence[Knocked]:
        """End every attempt whose time is up. Told of those that had become messages."""
        told: list[Knocked] = []
        deadline = NEVER
        for watch in self._watches:
            while watch.attempts:
                first = next(iter(watch.attempts))
                ends = first.began + watch.interval
                if ends > now.steady:
                    deadline = min(deadline, ends)
                    break
                if isinstance(watch, EncryptedWatch) and first.is_message and first.last:
                    refusal = Refusal(Reason.KNOCK_TOO_LATE, (watch.terms.number,))
                    told.append(Knocked(_packet(first.last, watch.knock.kind), [refusal]))
                self._drop(first)
        self._deadline = deadline
        return told

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` may next have something to do."""
        return None if self._deadline == NEVER else self._deadline


def _packet(hit: Hit, kind: KnockKind) -> Packet:
    return Packet(
        b"",
        str(address_of(hit.source)),
        hit.source_port,
        str(address_of(hit.destination)),
        hit.port,
        hit.protocol,
        hit.interface,
        knock=kind,
    )


class _Whole(NamedTuple):
    """A whole sequence, and the last hit of it."""

    number: int
    """Of its stanza."""
    attempt: Attempt
    hit: Hit
    now: Moment


def _encrypted(whole: _Whole, knock: Encrypted, message: KnockMessage) -> Finding:
    number, attempt, hit, now = whole
    proto = _PROTOS.get(message.protocol)
    asked = (Service(proto, message.port),) if proto is not None else ()
    services = tuple(dict.fromkeys((*asked, *knock.services)))
    if not services:
        return Refusal(Reason.PORT_NOT_OFFERED, (number,), "icmp")
    octets = bytes(attempt.octets)
    packet = _packet(hit, knock.kind)
    key = ReplayKey(
        sha256(octets).digest(),
        sha256(_REMEMBERED + octets[SALT]).digest(),
        _sighting(packet, now),
        sent_at=FOR_EVER,
    )
    return _request(number, packet, services, key, now, user=message.user, allow=message.allow)


def _shared(whole: _Whole, knock: Shared) -> Finding:
    number, attempt, hit, now = whole
    packet = _packet(hit, knock.kind)
    happened = f"{number} {packet.peer} {now.wall!r} {attempt.times!r}".encode("ascii")
    digest = sha256(_REMEMBERED + happened).digest()
    sent_at = int(now.wall)
    key = ReplayKey(digest, digest, _sighting(packet, now), now.wall, sent_at)
    return _request(number, packet, knock.services, key, now, repeatable=True)


def _request(
    number: int,
    packet: Packet,
    services: tuple[Service, ...],
    key: ReplayKey,
    now: Moment,
    *,
    user: str = "",
    allow: Address | None = None,
    repeatable: bool = False,
) -> Request:
    return Request(
        stanza=number,
        packet=packet,
        user=user,
        sent_at=int(now.wall),
        version=VERSION,
        wish=AccessWish(services),
        allow=allow,
        seconds=0,
        key=key,
        repeatable=repeatable,
    )


def _sighting(packet: Packet, now: Moment) -> Sighting:
    return Sighting(
        packet.protocol, packet.peer, packet.peer_port, packet.local, packet.local_port, now.wall
    )
