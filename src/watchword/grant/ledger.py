"""Remembers who was granted what, and folds grants into openings.

In here: grants in force, the opening that each hole needs because of them (the
latest end wins), which holes have changed since the firewall last agreed, and
when something ends.
Not in here: whether to grant (decide), making the change (the gate, through a
FirewallBackend).

Cost does not grow with what is in force: dictionaries, one heap, and the set of
changed holes. No clock: every method is told the time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from watchword.grant import plan
from watchword.grant.decide import Permit
from watchword.grant.lifecycle import State, Turn, step
from watchword.model.moments import Moment
from watchword.model.openings import ChangeSet, Grant, Hole, Opening, Tag


@dataclass(slots=True)
class _Entry:
    grant: Grant
    state: State
    holdings: list[_Holding]


@dataclass(slots=True)
class _Holding:
    """One hole, who shares it, and the two sides of its opening."""

    hole: Hole
    wanted: Opening | None = None
    in_force: Opening | None = None
    """What the firewall agreed to last."""
    sharers: set[str] = field(default_factory=set)
    changed: bool = False


def granted(permit: Permit, now: Moment) -> Grant:
    """The grant that a permit comes to, from now on."""
    request = permit.request
    return Grant(
        id=request.key.plaintext.hex()[:10],
        stanza=request.stanza,
        user=request.user,
        source=request.packet.source,
        who=permit.who,
        services=permit.services,
        destination=permit.destination,
        began=now.wall,
        ends=now.wall + permit.seconds,
        until=round(now.steady + permit.seconds, 3),
    )


class Ledger:
    """Grants in force.

    The firewall's side of it is settled in three steps: ``change`` says what to
    do, the caller does it, ``settled`` notes that it is done.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._ends: list[tuple[float, int, str]] = []
        self._admitted = count()
        self._holdings: dict[Hole, _Holding] = {}
        self._changed: list[_Holding] = []
        self._fresh: list[str] = []

    def admit(self, permit: Permit, now: Moment) -> Grant:
        """Turn a permit into a grant that runs from now, and want its openings."""
        grant = granted(permit, now)
        self.resume(grant, State.WANTED)
        return grant

    def resume(self, grant: Grant, state: State) -> None:
        """Take up a grant of an earlier run, or a new one."""
        holdings = [self._holding(hole) for hole in grant.holes]
        self._entries[grant.id] = _Entry(grant, state, holdings)
        if state is State.WANTED:
            self._fresh.append(grant.id)
        heapq.heappush(self._ends, (grant.until, next(self._admitted), grant.id))
        for holding in holdings:
            holding.sharers.add(grant.id)
            if holding.wanted is None or holding.wanted.until < grant.until:
                self._want(holding, Opening(holding.hole, grant.until))

    def expire(self, now: Moment) -> list[Grant]:
        """Drop every grant whose end has come, in the order of ends, then of beginnings."""
        over = []
        while self._ends and self._ends[0][0] <= now.steady:
            until, _, name = heapq.heappop(self._ends)
            entry = self._entries.get(name)
            if entry is not None and entry.grant.until == until:
                over.append(self._drop(name, Turn.EXPIRED))
        return over

    def withdraw(self, name: str, turn: Turn) -> Grant:
        """Take one grant back before its end. KeyError if it is not in force."""
        return self._drop(name, turn)

    def change(self) -> ChangeSet:
        """What the firewall has to change to agree with the grants in force."""
        return plan.between((each.in_force, each.wanted) for each in self._changed)

    def full_change(self, installed: frozenset[Tag]) -> ChangeSet:
        """The same, having read back what the firewall really has."""
        return plan.reconcile(self.openings(), installed)

    def settled(self) -> None:
        """Note that the firewall has made the whole of ``change`` or ``full_change``."""
        for name in self._fresh:
            entry = self._entries.get(name)
            if entry is not None:
                entry.state = step(entry.state, Turn.INSTALLED)
        self._fresh.clear()
        for holding in self._changed:
            holding.in_force, holding.changed = holding.wanted, False
            if not holding.sharers:
                self._holdings.pop(holding.hole, None)
        self._changed.clear()

    def next_deadline(self) -> float | None:
        """Steady seconds at which ``expire`` next has something to do."""
        return self._ends[0][0] if self._ends else None

    def grants(self) -> Iterator[Grant]:
        return (entry.grant for entry in self._entries.values())

    def grant(self, name: str) -> Grant | None:
        """The grant of that name; None if it is not in force."""
        entry = self._entries.get(name)
        return entry.grant if entry else None

    def state(self, name: str) -> State:
        """How far a grant got; GONE for one that is not in force."""
        entry = self._entries.get(name)
        return entry.state if entry else State.GONE

    def openings(self) -> Iterator[Opening]:
        """What the firewall should have now."""
        return (each.wanted for each in self._holdings.values() if each.wanted is not None)

    def __len__(self) -> int:
        return len(self._entries)

    def _holding(self, hole: Hole) -> _Holding:
        holding = self._holdings.get(hole)
        if holding is None:
            holding = self._holdings[hole] = _Holding(hole)
        return holding

    def _want(self, holding: _Holding, opening: Opening | None) -> None:
        holding.wanted = opening
        if not holding.changed:
            holding.changed = True
            self._changed.append(holding)

    def _drop(self, name: str, turn: Turn) -> Grant:
        entry = self._entries.pop(name)
        step(entry.state, turn)
        for holding in entry.holdings:
            self._release(holding, entry.grant)
        return entry.grant

    def _release(self, holding: _Holding, grant: Grant) -> None:
        """The latest end among those who still share the hole wins."""
        holding.sharers.discard(grant.id)
        if not holding.sharers:
            self._want(holding, None)
        elif holding.wanted is not None and grant.until >= holding.wanted.until:
            latest = max(self._entries[each].grant.until for each in holding.sharers)
            if holding.wanted.until != latest:
                self._want(holding, Opening(holding.hole, latest))
