"""Recognises SPA packets: which stanza sealed one, and what it asks for.

In here: the order of trial, the HMAC before the decryption, the translation of
a message into a request (fwknopd server, section 8, tests 2 to 6).
Not in here: the envelope (captures have looked at it), the cipher and the
fields (wire.spa), whether the request is allowed (grant.decide).

No clock and no I/O. Everything that does not depend on the packet is worked out
when the policy is loaded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2s
from typing import NamedTuple

from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.outcomes import Finding, Reason, Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.requests import (
    AccessWish,
    CommandWish,
    ForwardWish,
    ReplayKey,
    Request,
    Sighting,
    Wish,
)
from watchword.wire.spa.digests import packet_digest, plaintext_digest
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.grammar import ANY_SOURCE, parse_access, parse_command, parse_nat
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opening import Bunch, Lock, Opened

MARGIN = 86_400.0  # seconds a replay key outlives its time stamp: a clock may be set back a day
_USUAL = 65_536  # sources whose stanza is remembered; only authentic packets get in here
_ROWS = 1024  # sources whose stanzas are kept worked out; a stranger can only push others out


class _Row(NamedTuple):
    """The stanzas that may be tried for one source and destination, in order."""

    numbers: tuple[int, ...]
    terms: tuple[Terms, ...]
    locks: tuple[Lock, ...]
    bunch: Bunch
    nobody: tuple[Refusal, ...]
    """What is found if none of them fits; made once, since strangers bring it about."""
    alone: tuple[bool, ...]
    """Whether a stanza's HMAC key is no other's, so that what fits it fits none before it."""


class SpaRecogniser:
    """Tries a policy's stanzas on packets."""

    def __init__(self, policy: Policy) -> None:
        self._max_age = policy.max_age
        self._terms = policy.stanzas
        self._locks = tuple(Lock(terms.credential) for terms in policy.stanzas)
        self._everybody = self._row_of(range(len(self._terms)))
        self._open_to_all = not any(terms.sources or terms.destinations for terms in policy.stanzas)
        self._usual: dict[tuple[str, str], int] = {}
        self._row_for = lru_cache(maxsize=_ROWS)(self._narrowed)

    def observe(self, packet: Packet, now: Moment) -> Iterator[Finding]:
        """What each stanza says of a packet whose envelope is sound.

        Neighbouring stanzas whose HMAC does not match are one refusal, so that
        ten thousand of them cost no more words than one.
        """
        row = self._row(packet)
        hit = self._usual_fit(packet, row)
        if hit is None:
            hit = row.bunch.first_fit(packet.payload, 0)
        if hit == len(row.numbers):
            return iter(row.nobody)
        return self._found(packet, row, hit, now)

    def _usual_fit(self, packet: Packet, row: _Row) -> int | None:
        """The stanza that this source used last, if it fits again: one trial instead of all.

        What is found is the same as without, since no stanza before it has
        the same key.
        """
        usual = self._usual.get((packet.peer, packet.local))
        if usual is not None and row.locks[usual].fits(packet.payload):
            return usual
        return None

    def _found(self, packet: Packet, row: _Row, hit: int, now: Moment) -> Iterator[Finding]:
        """Every stanza's answer, given that the one at ``hit`` is the first that fits."""
        start, count = 0, len(row.numbers)
        while start < count:
            if hit > start:
                yield Refusal(Reason.MAC_MISMATCH, row.numbers[start:hit])
            if hit < count:
                yield self._unlock(packet, row.terms[hit], row.locks[hit], now)
            start = hit + 1
            hit = row.bunch.first_fit(packet.payload, start)

    def expect(self, request: Request) -> None:
        """Remember which stanza a source uses. For requests that were never seen before:
        an overheard packet that is sent again must not push others out."""
        packet = request.packet
        row = self._row(packet)
        index = bisect_left(row.numbers, request.stanza)
        source = (packet.peer, packet.local)
        self._usual.pop(source, None)
        if row.alone[index]:
            self._usual[source] = index
            if len(self._usual) > _USUAL:
                del self._usual[next(iter(self._usual))]

    def expire(self, now: Moment) -> None:
        """Nothing is remembered from packet to packet."""

    def next_deadline(self) -> float | None:
        return None

    def _unlock(self, packet: Packet, terms: Terms, lock: Lock, now: Moment) -> Finding:
        """The finding of one stanza whose HMAC matches, or which has none."""
        if terms.expires is not None and now.wall >= terms.expires:
            return Refusal(Reason.STANZA_EXPIRED, (terms.number,))
        try:
            opened = lock.open(packet.payload)
            wish, allow = _wish(opened.message)
        except SpaError as error:
            return Refusal(error.reason, (terms.number,), str(error), code=error.code)
        message = opened.message
        return Request(
            stanza=terms.number,
            packet=packet,
            user=message.user,
            sent_at=message.sent_at,
            version=message.version,
            wish=wish,
            allow=None if allow == ANY_SOURCE else allow,
            seconds=message.seconds,
            key=self._replay_key(packet, opened, now),
        )

    def _replay_key(self, packet: Packet, opened: Opened, now: Moment) -> ReplayKey:
        until = None
        if self._max_age is not None:
            until = max(now.wall, opened.message.sent_at) + self._max_age + MARGIN
        sighting = Sighting(
            packet.protocol,
            packet.peer,
            packet.peer_port,
            packet.local,
            packet.local_port,
            now.wall,
        )
        digest = plaintext_digest(opened.plaintext)
        sent_at = opened.message.sent_at
        return ReplayKey(packet_digest(packet.payload), digest, sighting, until, sent_at)

    def _row(self, packet: Packet) -> _Row:
        return self._everybody if self._open_to_all else self._row_for(packet.peer, packet.local)

    def _narrowed(self, peer: str, local: str) -> _Row:
        packet = Packet(b"", peer, 0, local, 0)
        source, destination = packet.source, packet.destination
        return self._row_of(
            index
            for index, terms in enumerate(self._terms)
            if terms.admits_source(source) and terms.admits_destination(destination)
        )

    def _row_of(self, indexes: range | Iterator[int]) -> _Row:
        chosen = tuple(indexes)
        terms = tuple(self._terms[index] for index in chosen)
        locks = tuple(self._locks[index] for index in chosen)
        numbers = tuple(each.number for each in terms)
        reason = Reason.MAC_MISMATCH if numbers else Reason.NO_STANZA
        owners = Counter(_mac_key(each) for each in terms)
        alone = tuple(owners[_mac_key(each)] == 1 and not owners[None] for each in terms)
        return _Row(numbers, terms, locks, Bunch(locks), (Refusal(reason, numbers),), alone)


def _mac_key(terms: Terms) -> bytes | None:
    """A stand-in for the HMAC key of a stanza, equal for equal keys; None if it has none."""
    key = terms.credential.mac_key
    return None if key is None else blake2s(key.reveal()).digest()


def _wish(message: Message) -> tuple[Wish, Address]:
    """What is asked for, and for whom. Raises SpaError if the text is none of the grammar."""
    if message.type is MessageType.COMMAND:
        allow, command = parse_command(message.text)
        return CommandWish(command), allow
    allow, services = parse_access(message.text)
    if message.nat is None:
        return AccessWish(services), allow
    host, port = parse_nat(message.nat)
    local = message.type in (
        MessageType.LOCAL_NAT_ACCESS,
        MessageType.TIMEOUT_LOCAL_NAT_ACCESS,
    )
    return ForwardWish(services, host, port, local), allow
