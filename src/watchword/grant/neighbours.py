"""Whose grants there are for one address, counted as they come and go.

In here: what is asked of them for every packet, so that nobody has to go through all of them.
Not in here: the grants (ledger), what follows for who asks now (crowd).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum, auto
from typing import Final, TypeAlias

from watchword.model.addresses import Address
from watchword.model.openings import Grant, Lease

SHOWN: Final = 40  # characters of what somebody calls himself


class Trait(Enum):
    """Of a grant; its lease is another one."""

    ANY = auto()  # all of them have it
    PART = auto()  # it lets in a part of its first address
    COUNTED = auto()  # it is good for so many connections


_Trait: TypeAlias = Trait | Lease


class Neighbours:
    """The names of grants, by trait and identity."""

    __slots__ = ("_owners", "number", "users")

    def __init__(self, *grants: Grant) -> None:
        self._owners: dict[_Trait, dict[str, dict[str, None]]] = {}
        self.number = 0
        """Of grants."""
        self.users: dict[str, int] = {}
        """What those call themselves who have them, with how many each has; doors are nobody."""
        for grant in grants:
            self.add(grant)

    def add(self, grant: Grant) -> None:
        for trait in _traits(grant):
            owners = self._owners.setdefault(trait, {})
            owners.setdefault(grant.identity, {})[grant.id] = None
        self._count(grant, 1)

    def remove(self, grant: Grant) -> None:
        """KeyError if it was not added."""
        for trait in _traits(grant):
            owners = self._owners[trait]
            del owners[grant.identity][grant.id]
            if not owners[grant.identity]:
                del owners[grant.identity]
        self._count(grant, -1)

    def _count(self, grant: Grant, change: int) -> None:
        self.number += change
        user = grant.user[:SHOWN]
        if grant.door or not user:  # of knocks: nobody knows who it was
            return
        self.users[user] = self.users.get(user, 0) + change
        if not self.users[user]:
            del self.users[user]

    def names(self) -> Iterator[str]:
        """All of them, each owner's together."""
        for own in self._owners.get(Trait.ANY, {}).values():
            yield from own

    def own(self, trait: _Trait, identity: str) -> Collection[str]:
        """Those of one owner."""
        return self._owners.get(trait, {}).get(identity, {})

    def another(self, trait: _Trait, identity: str) -> str | None:
        """The first of somebody else's; None: there is none."""
        owners = self._owners.get(trait, {}).items()
        return next((next(iter(own)) for owner, own in owners if owner != identity), None)

    def others(self, identity: str) -> int:
        """How many others have any."""
        owners = self._owners.get(Trait.ANY, {})
        return len(owners) - (identity in owners)


def _traits(grant: Grant) -> Iterator[_Trait]:
    yield Trait.ANY
    if grant.extent is not None:
        yield Trait.PART
    if grant.tickets:
        yield Trait.COUNTED
    if grant.lease is not None:
        yield grant.lease


class Neighbourhoods:
    """Those of every address."""

    def __init__(self, named: Callable[[Iterable[str]], Iterable[Grant]]) -> None:
        """``named``: the grants of these names, which are in force."""
        self._named = named
        self._at: dict[Address, Neighbours | str] = {}
        """Of who is alone at an address there is the name only: with most it stays at that."""

    def at(self, who: Address) -> Neighbours:
        """Whose grants let in this address, for looking only."""
        there = self._at.get(who, _NOBODY)
        return Neighbours(*self._named([there])) if isinstance(there, str) else there

    def move_in(self, grant: Grant) -> None:
        """It is in force by now."""
        for who in {each.who for each in grant.callers}:
            if who in self._at:
                there = self._at[who] = self.at(who)
                there.add(grant)
            else:
                self._at[who] = grant.id

    def move_out(self, grant: Grant) -> None:
        """KeyError if it has not moved in."""
        for who in {each.who for each in grant.callers}:
            there = self._at[who]
            if isinstance(there, Neighbours):
                there.remove(grant)
            if isinstance(there, str) or not there.number:
                del self._at[who]


_NOBODY: Final = Neighbours()
