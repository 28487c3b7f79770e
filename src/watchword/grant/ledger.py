"""Remembers who was granted what, and folds grants into openings.

In here: grants in force, which of them a new permit renews, the opening that
each hole needs because of them (the latest end wins), and which holes have changed
since the firewall last agreed.
Not in here: whether to grant (decide), what a permit comes to (granting), the order
of ends (ends), who shares an address (neighbours), tickets (tickets), making the
change (the enforcer, through a FirewallBackend).

Cost does not grow with what is in force: dictionaries, one heap, and the set of
changed holes. No clock: every method is told the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from watchword.grant import plan
from watchword.grant.ends import Ends
from watchword.grant.granting import Sameness, granted, never, same_as, sameness
from watchword.grant.lifecycle import State, Turn, step
from watchword.grant.neighbours import Neighbourhoods, Neighbours
from watchword.grant.permits import Permit
from watchword.grant.tickets import Tickets
from watchword.model.addresses import Address
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
    longest: str = ""
    """Of the sharers, the one from whom ``wanted`` has its end; of several the last that came."""
    changed: bool = False


_LATER: Final = 0.001  # seconds; the least by which two ends differ


class Ledger:
    """Grants in force.

    The firewall's side of it is settled in three steps: ``change`` says what to
    do, the caller does it, ``settled`` notes that it is done.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._ends = Ends(self._until)
        self._holdings: dict[Hole, _Holding] = {}
        self._led: dict[Hole, _Holding] = {}
        """By door: what leads somewhere and is shared by somebody."""
        self._changed: list[_Holding] = []
        self._fresh: list[str] = []
        self._names: dict[Sameness, str] = {}
        self._at = Neighbourhoods(self.named)
        self._tickets = Tickets()
        self.taken_elsewhere: Callable[[str], bool] = never
        """Whether a grant of that name is in the journal because of somebody else."""

    def admit(self, permit: Permit, now: Moment) -> Grant:
        """Turn a permit into a grant that runs from now, and want its openings.

        Who has the same already keeps it, with its name and its beginning, to the later end.
        """
        before = self.standing(permit)
        if before is not None:
            return self._renew(before, granted(permit, now))
        grant = granted(permit, now, self._taken, self._tickets.deal(permit))
        self.resume(grant, State.WANTED)
        return grant

    def _renew(self, before: Grant, grant: Grant) -> Grant:
        """To the later end. All of its tickets are good again, also where they were used: so its
        openings have another end in any case."""
        ends, until = max(grant.ends, before.ends), max(grant.until, before.until)
        door = grant.door_until
        if door is not None and before.door_until is not None and door <= before.door_until:
            door = round(before.door_until + _LATER, 3)
            until = max(until, door)
        return self.set_end(replace(before, door_until=door), ends, until)

    def lacks_tickets(self, permit: Permit) -> bool:
        """Whether there are not as many left as it is good for; then it is not to be admitted,
        unless it renews a grant."""
        return not self._tickets.enough(permit)

    def _taken(self, name: str) -> bool:
        return name in self._entries or self.taken_elsewhere(name)

    def standing(self, permit: Permit) -> Grant | None:
        """The grant in force that a permit would renew; None if it would be a new one."""
        name = self._names.get(same_as(permit))
        return None if name is None else self._entries[name].grant

    def led_elsewhere(self, permit: Permit, now: Moment) -> Opening | None:
        """What leads the caller elsewhere by the same door, for as long as it lasts; None: nothing.

        A permit of which there is one is not to be admitted: whoever shares the address would be
        led to another place than he asked for.
        """
        if permit.lead is None:
            return None
        hole = granted(permit, now, tickets=(1,) if permit.connections else ()).holes[0]
        holding = self._led.get(hole.door)
        if holding is None or holding.hole == hole or not holding.sharers:
            return None
        return holding.wanted

    def set_end(self, grant: Grant, ends: float, until: float) -> Grant:
        """Move the end of a grant that is in force, and of its openings, either way.

        Returns the grant as it is then. KeyError if it is not in force. Nobody is let in for longer
        than he was (``Grant.door_until``).
        """
        entry = self._entries[grant.id]
        entry.grant = replace(grant, ends=ends, until=until)
        self._ends.note(grant.id, until, len(self._entries))
        shuts = entry.grant.shuts
        for holding in entry.holdings:
            if holding.wanted is None or holding.wanted.until <= shuts:
                self._lasts(holding, grant.id)
            elif holding.longest == grant.id:
                self._lasts(holding, self._longest(holding))
        return entry.grant

    def resume(self, grant: Grant, state: State) -> None:
        """Take up a grant of an earlier run, or a new one."""
        holdings = [self._holding(hole) for hole in grant.wanted]
        self._entries[grant.id] = _Entry(grant, state, holdings)
        self._names[sameness(grant)] = grant.id
        self._at.move_in(grant)
        self._tickets.handed_out(grant, 1)
        if state is State.WANTED:
            self._fresh.append(grant.id)
        self._ends.note(grant.id, grant.until, len(self._entries))
        for holding in holdings:
            holding.sharers.add(grant.id)
            if holding.hole.lead is not None:
                self._led[holding.hole.door] = holding
            if holding.wanted is None or holding.wanted.until <= grant.shuts:
                self._lasts(holding, grant.id)

    def expire(self, now: Moment) -> list[Grant]:
        """Drop every grant whose end has come, in the order of ends, then of beginnings."""
        return [self._drop(name, Turn.EXPIRED) for name in self._ends.come(now.steady)]

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
        return self._ends.next()

    def grants(self) -> Iterator[Grant]:
        return (entry.grant for entry in self._entries.values())

    def grants_for(self, who: Address) -> Iterator[Grant]:
        """Those that let in this address, in the order of their names."""
        return self.named(sorted(self.at(who).names()))

    def named(self, names: Iterable[str]) -> Iterator[Grant]:
        """Those of these names, which are in force: KeyError."""
        return (self._entries[name].grant for name in names)

    def at(self, who: Address) -> Neighbours:
        """Whose grants let in this address, for looking only."""
        return self._at.at(who)

    def grant(self, name: str) -> Grant | None:
        """The grant of that name; None if it is not in force."""
        entry = self._entries.get(name)
        return entry.grant if entry else None

    def state(self, name: str) -> State:
        """How far a grant got; GONE for one that is not in force."""
        entry = self._entries.get(name)
        return entry.state if entry else State.GONE

    def opening(self, hole: Hole) -> Opening | None:
        """What the firewall should have for a hole; None: nobody in force needs it."""
        holding = self._holdings.get(hole)
        return holding.wanted if holding else None

    def behind(self, hole: Hole) -> Grant | None:
        """The grant from which a hole's opening has its end; None: nobody in force needs it."""
        holding = self._holdings.get(hole)
        return self._entries[holding.longest].grant if holding and holding.sharers else None

    def openings(self) -> Iterator[Opening]:
        """What the firewall should have now."""
        return (each.wanted for each in self._holdings.values() if each.wanted is not None)

    def __len__(self) -> int:
        return len(self._entries)

    def _until(self, name: str) -> float | None:
        entry = self._entries.get(name)
        return entry.grant.until if entry else None

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
        same = sameness(entry.grant)
        if self._names.get(same) == name:
            del self._names[same]
        self._tickets.handed_out(entry.grant, -1)
        self._at.move_out(entry.grant)
        for holding in entry.holdings:
            self._release(holding, entry.grant)
        return entry.grant

    def _release(self, holding: _Holding, grant: Grant) -> None:
        """The latest end among those who still share the hole wins."""
        holding.sharers.discard(grant.id)
        if not holding.sharers:
            self._want(holding, None)
            if holding.hole.lead is not None and self._led.get(holding.hole.door) is holding:
                del self._led[holding.hole.door]
        elif holding.longest == grant.id:
            self._lasts(holding, self._longest(holding))

    def _longest(self, holding: _Holding) -> str:
        """Who has the latest end among those who share a hole. Goes through all of them."""
        return max(holding.sharers, key=lambda each: self._entries[each].grant.shuts)

    def _lasts(self, holding: _Holding, name: str) -> None:
        """Have a hole's opening end with a grant."""
        holding.longest, until = name, self._entries[name].grant.shuts
        if holding.wanted is None or holding.wanted.until != until:
            self._want(holding, Opening(holding.hole, until))
