"""Deals the tickets by which connections are counted.

In here: which of them are out for an address and service, and which come next.
Not in here: how many somebody may have (crowd), what a firewall does with one (edges.firewall).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from watchword.grant.permits import Permit
from watchword.model.addresses import Address
from watchword.model.openings import MOST_TICKETS, Grant
from watchword.model.services import Service

_Door: TypeAlias = tuple[Address, Service, Address | None]
"""Of what connections are counted at."""
_NONE: Final[dict[int, int]] = {}


class Tickets:
    """Those of all doors."""

    def __init__(self) -> None:
        self._last = 0
        self._dealt: dict[_Door, dict[int, int]] = {}
        """Tickets that are out, with how many have each."""

    def enough(self, permit: Permit) -> bool:
        """Whether there are as many left as it is good for."""
        number = permit.connections
        return not number or MOST_TICKETS - len(self._out(permit)) >= number

    def deal(self, permit: Permit) -> tuple[int, ...]:
        """Tickets that nobody has for any of its services: those that were free the longest."""
        if not permit.connections:
            return ()
        out, number = self._out(permit), permit.connections
        turns = [(self._last + each) % MOST_TICKETS + 1 for each in range(MOST_TICKETS)]
        free = [each for each in turns if each not in out]
        rows = (free[at : at + number] for at in range(len(free)))
        # In a row they are one opening.
        row = next((r for r in rows if len(r) == number and r[-1] - r[0] == number - 1), free)
        found = tuple(row[:number])
        self._last = found[-1] if found else 0
        return found

    def handed_out(self, grant: Grant, change: int) -> None:
        """Note that a grant has its tickets, or (-1) has them no more. In a journal that somebody
        edited, two may have the same."""
        if not grant.tickets:
            return
        whom = dict.fromkeys(each.who for each in grant.callers)
        for door in ((who, each, grant.destination) for who in whom for each in grant.services):
            dealt = self._dealt.setdefault(door, {})
            for ticket in grant.tickets:
                dealt[ticket] = dealt.get(ticket, 0) + change
                if not dealt[ticket]:
                    del dealt[ticket]
            if not dealt:
                del self._dealt[door]

    def _out(self, permit: Permit) -> set[int]:
        """Tickets that somebody has for any of its services, at any of its addresses."""
        out: set[int] = set()
        for who in {each.who for each in permit.callers}:
            for service in permit.services:
                out |= self._dealt.get((who, service, permit.destination), _NONE).keys()
        return out
