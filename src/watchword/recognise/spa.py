"""Recognises SPA packets: which stanza sealed one, and what it asks for.

In here: the order of trial, the HMAC before the decryption, the translation of
a message into a request (fwknopd server, section 8, tests 2 to 6). What only a
key ring can open is found ``Sealed``, and comes back by ``unsealed``.
Not in here: which stanzas come into question (rows), the envelope (captures
have looked at it), the cipher and the fields (wire.spa), whether the request
is allowed (grant.decide).

No clock and no I/O. Everything that does not depend on the packet is worked out
when the policy is loaded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from watchword.errors import PeerError
from watchword.model.addresses import Address
from watchword.model.moments import Moment
from watchword.model.openpgp import Decrypted
from watchword.model.outcomes import Finding, Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Policy, Terms
from watchword.model.reasons import Reason
from watchword.model.requests import (
    AccessWish,
    CommandWish,
    ForwardWish,
    ReplayKey,
    Request,
    Sealed,
    Sighting,
    Wish,
)
from watchword.recognise.rows import AnyLock, Kind, Row, Rows, kind_of, once
from watchword.wire.spa.digests import packet_digest, plaintext_digest
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.grammar import ANY_SOURCE, parse_access, parse_command, parse_nat
from watchword.wire.spa.message import Message, MessageType
from watchword.wire.spa.opened import Opened
from watchword.wire.spa.opening import Lock
from watchword.wire.spa.openpgp import OpenPgpLock, UnlistedSignerError

MARGIN = 86_400.0  # seconds a replay key outlives its time stamp: a clock may be set back a day
_USUAL = 65_536  # sources whose stanza is remembered; only authentic packets get in here


class SpaRecogniser:
    """Tries a policy's stanzas on packets."""

    def __init__(self, policy: Policy) -> None:
        self._max_age = policy.max_age
        self._terms = tuple(terms for terms in policy.stanzas if terms.knock is None)
        self._rows = Rows(self._terms)
        self._usual: dict[tuple[str, str, Kind], int] = {}

    def observe(self, packet: Packet, now: Moment) -> Iterator[Finding]:
        """What each stanza says of a packet whose envelope is sound.

        Neighbouring stanzas whose HMAC does not match are one refusal, so that
        ten thousand of them cost no more words than one.
        """
        kind = kind_of(len(packet.payload))
        row = self._rows.row(packet, kind)
        hit = self._usual_fit(packet, row, kind)
        if hit is None:
            hit = row.bunch.first_fit(packet.payload, 0)
        if hit == len(row.numbers):
            return iter(row.nobody)
        return self._found(packet, row, hit, now)

    def _usual_fit(self, packet: Packet, row: Row, kind: Kind) -> int | None:
        """The stanza that this source used last, if it fits again: one trial instead of all.

        What is found is the same as without, since no stanza before it has
        the same key.
        """
        usual = self._usual.get((packet.peer, packet.local, kind))
        if usual is not None and row.locks[usual].fits(packet.payload):
            return usual
        return None

    def _found(self, packet: Packet, row: Row, hit: int, now: Moment) -> Iterator[Finding]:
        """Every stanza's answer, given that the one at ``hit`` is the first that fits."""
        yield from row.others
        start, count = 0, len(row.numbers)
        while start < count:
            if hit > start:
                yield Refusal(Reason.MAC_MISMATCH, once(row.numbers[start:hit]))
            if hit < count:
                yield self._unlock(packet, row.terms[hit], row.locks[hit], now)
            start = hit + 1
            hit = row.bunch.first_fit(packet.payload, start)

    def expect(self, request: Request) -> None:
        """Remember which stanza a source uses. For requests that were never seen before:
        an overheard packet that is sent again must not push others out."""
        packet = request.packet
        kind = kind_of(len(packet.payload))
        row = self._rows.row(packet, kind)
        index = bisect_left(row.numbers, request.stanza)
        source = (packet.peer, packet.local, kind)
        self._usual.pop(source, None)
        if row.alone[index]:
            self._usual[source] = index
            if len(self._usual) > _USUAL:
                del self._usual[next(iter(self._usual))]

    def expire(self, now: Moment) -> None:
        """Nothing is remembered from packet to packet."""

    def next_deadline(self) -> float | None:
        return None

    def _unlock(self, packet: Packet, terms: Terms, lock: AnyLock, now: Moment) -> Finding:
        """The finding of one stanza whose HMAC matches, or which has none."""
        if terms.expired(now.wall):
            return Refusal(Reason.STANZA_EXPIRED, (terms.number,))
        try:
            if isinstance(lock, Lock):
                return self._request(packet, terms, lock.open(packet.payload), now)
            message = lock.message(packet.payload)
        except SpaError as error:
            return _refusal(terms, error)
        return Sealed(terms.number, packet, lock.keyring, message)

    def unsealed(
        self, sealed: Sealed, opened: Decrypted | PeerError, now: Moment
    ) -> Request | Refusal:
        """See ``ports.Recogniser``."""
        index = bisect_left(self._terms, sealed.stanza, key=lambda each: each.number)
        terms = self._terms[index]
        lock = next(each for each in self._rows.locks[index] if isinstance(each, OpenPgpLock))
        if isinstance(opened, SpaError):  # not to be raised again: it is kept, and would grow
            return _refusal(terms, opened)
        if isinstance(opened, PeerError):
            return Refusal(Reason.NOT_DECRYPTED, (terms.number,), str(opened))
        try:
            request = self._request(sealed.packet, terms, lock.read(opened), now)
        except SpaError as error:
            return _refusal(terms, error)
        looked_at = lock.signers.required and opened.signatures
        return replace(request, signer=opened.signatures[0].fingerprint) if looked_at else request

    def _request(self, packet: Packet, terms: Terms, opened: Opened, now: Moment) -> Request:
        """Raises SpaError if the message is none of the grammar."""
        message = opened.message
        wish, allow = _wish(message)
        return Request(
            stanza=terms.number,
            packet=packet,
            user=message.user,
            sent_at=message.sent_at,
            version=message.version,
            wish=wish,
            allow=None if allow == ANY_SOURCE else allow,
            seconds=message.seconds,
            digest=message.digest,
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


def _refusal(terms: Terms, error: SpaError) -> Refusal:
    if isinstance(error, UnlistedSignerError):
        signer, expected = error.fingerprint, error.by
        return Refusal(Reason.UNLISTED_SIGNER, (terms.number,), signer, expected, error.code)
    return Refusal(error.reason, (terms.number,), str(error), code=error.code)


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
