"""Which trials share one start of a server.

In here: packing. Pure.
Not in here: trials (repertoire), a round of them at a live server (sittings).

Two trials can share a server if neither changes what becomes of the other: no
packet's content comes twice, since the second would be a replay, and no stanza
opens what another trial wants refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from watchword.conformance.trials import Must, Trial
from watchword.spa import Lock, SpaError
from watchword.wire.spa.mac import GPG_PREFIX

MOST_OPENINGS: Final = 8
"""Packets of a round that open something, which takes seconds; rounds go on side by side."""
MOST_TRIALS: Final = 40


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A trial with what decides whom it can share a server with."""

    trial: Trial
    locks: tuple[Lock, ...]
    contents: frozenset[bytes]
    """The plaintext of each packet that the trial's own stanzas open."""
    foreign: tuple[bytes, ...]
    """Packets that they do not open, and nobody else may."""


@dataclass(slots=True)
class Round:
    """Trials at one server, in their order."""

    settings: tuple[str, ...]
    shares: bool
    trials: list[Trial] = field(default_factory=list)
    openings: int = 0
    """Packets that open something."""
    _contents: set[bytes] = field(default_factory=set)
    _locks: list[Lock] = field(default_factory=list)
    _foreign: list[bytes] = field(default_factory=list)

    @property
    def access(self) -> list[str]:
        """Every text of stanzas once."""
        return list(dict.fromkeys(trial.access for trial in self.trials if trial.access))

    @property
    def openpgp(self) -> bool:
        return any(trial.openpgp for trial in self.trials)

    def takes(self, one: _Prepared) -> bool:
        trial = one.trial
        return (
            self.settings == trial.settings
            and self.shares == trial.shares
            and (self.shares or self.access == [trial.access])
            and self.openings + _openings(trial) <= MOST_OPENINGS
            and len(self.trials) < MOST_TRIALS
            and not self._contents & one.contents
            and not any(_opened(payload, self._locks) for payload in one.foreign)
            and not any(_opened(payload, one.locks) for payload in self._foreign)
        )

    def add(self, one: _Prepared) -> None:
        self.trials.append(one.trial)
        self.openings += _openings(one.trial)
        self._contents |= one.contents
        self._locks += one.locks
        self._foreign += one.foreign


def pack(trials: Iterable[Trial]) -> list[Round]:
    """Put each trial into the first round that takes it."""
    rounds: list[Round] = []
    for trial in trials:
        one = _prepared(trial)
        home = next((each for each in rounds if each.takes(one)), None)
        if home is None:
            home = Round(trial.settings, trial.shares)
            rounds.append(home)
        home.add(one)
    return rounds


def _prepared(trial: Trial) -> _Prepared:
    if trial.openpgp:  # no lock says what is inside: the same message is the same content
        same = frozenset(knock.payload.removeprefix(GPG_PREFIX) for knock in trial.knocks)
        return _Prepared(trial, (), same, ())
    locks = tuple(Lock(each) for each in trial.credentials if len(each.key) <= 32)
    contents = {knock.payload: _opened(knock.payload, locks) for knock in trial.knocks}
    return _Prepared(
        trial,
        locks,
        frozenset(filter(None, contents.values())),
        tuple(payload for payload, content in contents.items() if not content),
    )


def _openings(trial: Trial) -> int:
    return sum(knock.must is Must.OPEN for knock in trial.knocks)


def _opened(payload: bytes, locks: Iterable[Lock]) -> bytes:
    """The plaintext, if one of the locks opens the packet; else nothing."""
    for lock in locks:
        try:
            if lock.fits(payload):
                return lock.open(payload).plaintext
        except SpaError:
            continue
    return b""
