"""Which stanzas may be tried on a packet, worked out before it comes.

In here: the ciphers that a payload can be of by its length, and the stanzas
that come into question for a source, a destination and such a kind, with
everything prepared for the trial.
Not in here: the trial itself, and what follows (spa).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2s
from typing import NamedTuple, TypeAlias

from watchword.model.outcomes import Refusal
from watchword.model.packets import Packet
from watchword.model.policy import Terms
from watchword.model.reasons import Reason
from watchword.wire.spa.bunch import Bunch
from watchword.wire.spa.envelope import RIJNDAEL_LONGEST
from watchword.wire.spa.lengths import RIJNDAEL_BELOW
from watchword.wire.spa.opening import Lock
from watchword.wire.spa.openpgp import OpenPgpLock

_ROWS = 1024  # sources whose stanzas are kept worked out; a stranger can only push others out

AnyLock: TypeAlias = Lock | OpenPgpLock


class Kind(IntEnum):
    """Which ciphers a payload can be of, by its length (wire format, chapter 9)."""

    RIJNDAEL = 0
    EITHER = 1
    """Long for the one with its MAC, short for the other."""
    OPENPGP = 2


def kind_of(size: int) -> Kind:
    """The kind of a payload of so many bytes."""
    if size < RIJNDAEL_BELOW:
        return Kind.RIJNDAEL
    return Kind.EITHER if size <= RIJNDAEL_LONGEST else Kind.OPENPGP


class Row(NamedTuple):
    """The stanzas that may be tried for one source, destination and kind, in order.

    A stanza with keys of both kinds is in it twice where either can be.
    """

    numbers: tuple[int, ...]
    terms: tuple[Terms, ...]
    locks: tuple[AnyLock, ...]
    bunch: Bunch
    others: tuple[Refusal, ...]
    """The stanzas that have no key of that kind, if there are any."""
    nobody: tuple[Refusal, ...]
    """What is found if none of them fits; made once, since strangers bring it about."""
    alone: tuple[bool, ...]
    """Whether a lock's HMAC key is no other's, so that what fits it fits none before it."""


class Rows:
    """Every row of a policy, made when it is first needed."""

    def __init__(self, stanzas: Sequence[Terms]) -> None:
        self._stanzas = _Stanzas(stanzas)
        self.locks = self._stanzas.locks
        """Of each stanza, in their order."""
        self._everybody = tuple(self._stanzas.row(range(len(stanzas)), kind) for kind in Kind)
        self._open_to_all = not any(
            terms.sources or terms.barred or terms.destinations or terms.interfaces
            for terms in stanzas
        )
        self._by_interface = any(terms.interfaces for terms in stanzas)
        # Of another object's method: with one of ours it would be a circle, and what a policy
        # takes, megabytes, would be given back long after a reload only.
        self._row_for = lru_cache(maxsize=_ROWS)(self._stanzas.narrowed)

    def row(self, packet: Packet, kind: Kind) -> Row:
        """The row for where a packet came from and was sent to."""
        if self._open_to_all:
            return self._everybody[kind]
        interface = packet.interface if self._by_interface else ""
        return self._row_for(packet.peer, packet.local, interface, kind)


class _Stanzas:
    """The stanzas of a policy with their locks, and rows made of some of them."""

    def __init__(self, stanzas: Sequence[Terms]) -> None:
        self._terms = stanzas
        self.locks = tuple(_locks_of(terms) for terms in stanzas)

    def narrowed(self, peer: str, local: str, interface: str, kind: Kind) -> Row:
        packet = Packet(b"", peer, 0, local, 0)
        source, destination = packet.source, packet.destination
        admitted = (
            index
            for index, terms in enumerate(self._terms)
            if terms.admits(source, destination, interface)
        )
        return self.row(admitted, kind)

    def row(self, indexes: Iterable[int], kind: Kind) -> Row:
        chosen: list[tuple[Terms, AnyLock]] = []
        without: list[int] = []
        for index in indexes:
            terms = self._terms[index]
            locks = [lock for lock in self.locks[index] if _may_open(lock, kind)]
            chosen += [(terms, lock) for lock in locks]
            if not locks:
                without.append(terms.number)
        cipher = "2 (OpenPGP)" if kind is Kind.OPENPGP else "1 (Rijndael)"
        return _row(chosen, tuple(without), cipher)


def _row(chosen: Sequence[tuple[Terms, AnyLock]], without: tuple[int, ...], cipher: str) -> Row:
    numbers = tuple(terms.number for terms, _ in chosen)
    others = (Refusal(Reason.NO_SUCH_CIPHER, without, cipher),) if without else ()
    tried = (Refusal(Reason.MAC_MISMATCH, once(numbers)),) if numbers else ()
    keys = [_mac_key(terms, lock) for terms, lock in chosen]
    owners = Counter(keys)
    return Row(
        numbers=numbers,
        terms=tuple(terms for terms, _ in chosen),
        locks=tuple(lock for _, lock in chosen),
        bunch=Bunch([lock.mac for _, lock in chosen]),
        others=others,
        nobody=(*others, *tried) or (Refusal(Reason.NO_STANZA),),
        alone=tuple(owners[key] == 1 and not owners[None] for key in keys),
    )


def _locks_of(terms: Terms) -> tuple[AnyLock, ...]:
    found: list[AnyLock] = []
    if terms.credential is not None:
        found.append(Lock(terms.credential))
    if terms.openpgp is not None:
        found.append(OpenPgpLock(terms.openpgp))
    return tuple(found)


def _may_open(lock: AnyLock, kind: Kind) -> bool:
    return kind is not (Kind.OPENPGP if isinstance(lock, Lock) else Kind.RIJNDAEL)


def once(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """A stanza that was tried with both its keys is named once."""
    return tuple(dict.fromkeys(numbers))


def _mac_key(terms: Terms, lock: AnyLock) -> tuple[bool, bytes] | None:
    """A stand-in for an HMAC key, equal for equal keys of one kind; None if there is none."""
    credential = terms.credential if isinstance(lock, Lock) else terms.openpgp
    key = credential.mac_key if credential else None
    return None if key is None else (isinstance(lock, Lock), blake2s(key.reveal()).digest())
