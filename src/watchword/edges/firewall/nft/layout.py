"""Where our sets live, and what has to stand around them.

In here: homes (tables that hold sets of ours), the names and shapes of those
sets, and the structure a backend expects to find.
Not in here: the text that makes it (guard, jump), reading it back (survey),
elements (elements, connections). No I/O.
"""

from __future__ import annotations

from typing import NamedTuple

from watchword.model.firewalls import JumpFrom
from watchword.record import record

FAMILIES = {"inet": 1, "ip": 2, "ip6": 10}
"""nftables' families that we attach to, with their numbers (NFPROTO_*)."""

SET_SIZE = 262_144
"""Elements of one set, at the most. The kernel takes 8 bytes for each at once."""
PASS_SIZE = 65_536
"""The same for connections that are let through or cut one by one."""


@record
class Home:
    """A table that holds openings of ours."""

    family: str
    """``inet``, ``ip`` or ``ip6``."""
    table: str
    prefix: str = ""
    """In front of the names of our sets."""
    verdicts: bool = False
    """True: the sets are maps to ``accept`` (attachment ``jump``; the reason is there)."""

    names: tuple[tuple[int, bool, str], ...] = ()
    """IP version, whether with a destination, and name of each set of the operator's own; empty:
    the sets are ours."""

    @property
    def number(self) -> int:
        return FAMILIES[self.family]

    @property
    def versions(self) -> tuple[int, ...]:
        """IP versions whose packets pass this table, and that have a set."""
        if self.names:
            return tuple(sorted({version for version, to, _ in self.names if not to}))
        return {"inet": (4, 6), "ip": (4,), "ip6": (6,)}[self.family]

    def set_name(self, version: int, *, to: bool) -> str:
        """The set for openings of an IP version; ``to``: of those with a destination.

        Empty: there is none.
        """
        if self.names:
            found = (name for v, t, name in self.names if (v, t) == (version, to))
            return next(found, "")
        return f"{self.prefix}open{version}{'_to' if to else ''}"

    def answers_name(self, version: int, *, to: bool) -> str:
        """The same for openings by which answers go out, and nothing else."""
        return f"{self.prefix}answers{version}{'_to' if to else ''}"

    def __str__(self) -> str:
        return f"{self.family} {self.table}"


@record
class Hook:
    """Where a base chain stands in the packet path."""

    number: int
    priority: int
    policy: int
    """1: accept."""


@record
class ExpectedChain:
    """A chain of ours, known by the comments of its rules, in order."""

    home: Home
    name: str
    comments: tuple[str, ...]
    hook: Hook | None = None


class Call(NamedTuple):
    """A rule by which a chain of the operator's calls one of ours."""

    caller: JumpFrom
    chain: str


@record
class Structure:
    """Everything that has to stand before an opening means anything."""

    homes: tuple[Home, ...]
    """Where openings are that lead nowhere else."""
    chains: tuple[ExpectedChain, ...]
    sets: tuple[tuple[Home, str], ...]
    calls: tuple[Call, ...] = ()
    strange: tuple[tuple[Home, str], ...] = ()
    """Chains of ours that are not to be there: of a time when more was asked for."""
    families: tuple[tuple[Home, str], ...] = ()
    """Beginnings of names: a chain with one of them that is not in ``chains`` is strange, too."""
    answers: tuple[Home, ...] = ()
    """Where openings are by which answers go out, and nothing else."""
    own: Home | None = None
    """A table of our own, where openings are that lead somewhere; None: there is none."""

    @property
    def tables(self) -> tuple[Home, ...]:
        """Each once, our own first."""
        named = {(home.family, home.table): home for home in self._homes}
        return tuple(named.values())

    @property
    def _homes(self) -> tuple[Home, ...]:
        ours = () if self.own is None else (self.own,)
        chains = tuple(chain.home for chain in self.chains)
        return (*ours, *self.homes, *self.answers, *chains)
