"""Connections that have not said all that they have to say, and which of them gives way.

In here: how many there may be, of one crowd and of all.
Not in here: hearing what they say (front), those that have said it (asking).

Whose message arrives together with his connection never is here. So the one that has waited longest
goes first: nearly all who are here say nothing, and who is late by a lost packet is younger.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from ipaddress import IPv6Address
from typing import Final, TypeAlias

from watchword.model.addresses import Address

WAITING: Final = 1024  # connections of one crowd
ALL_WAITING: Final = 4096  # and of all

Crowd: TypeAlias = tuple[int, int]
"""Those who cannot be told apart by their addresses: version, and what they have in common."""

Comer: TypeAlias = "asyncio.Task[None]"


def crowd(source: Address) -> Crowd:
    """An IPv4 address; of IPv6 the /64 around it, since one host has all of that."""
    if isinstance(source, IPv6Address):
        return 6, int(source) >> 64
    return 4, int(source)


class Waiting:
    """Who waits."""

    def __init__(self) -> None:
        self._of: dict[Crowd, OrderedDict[Comer, None]] = {}
        """In the order in which they came."""
        self._crowds: dict[Comer, Crowd] = {}

    def add(self, comer: Comer, own: Crowd) -> Comer | None:
        """Whoever has to go for that is taken out, and returned."""
        self._crowds[comer] = own
        self._of.setdefault(own, OrderedDict())[comer] = None
        if len(self._of[own]) > WAITING:
            return self._first(own)
        return self.longest() if len(self) > ALL_WAITING else None

    def longest(self) -> Comer | None:
        """Take out who has waited longest of the largest crowd; None: nobody waits."""
        if not self._of:
            return None
        return self._first(max(self._of, key=lambda each: len(self._of[each])))

    def _first(self, own: Crowd) -> Comer:
        comer = next(iter(self._of[own]))
        self.remove(comer)
        return comer

    def remove(self, comer: Comer) -> None:
        """It need not be there any more."""
        own = self._crowds.pop(comer, None)
        if own is not None:
            del self._of[own][comer]
            if not self._of[own]:
                del self._of[own]

    def __len__(self) -> int:
        return len(self._crowds)
