"""Where our sets live, and what has to stand around them.

In here: homes (tables that hold sets of ours), the names and shapes of those
sets, and the structure a backend expects to find.
Not in here: the text that makes it (guard, jump), reading it back (survey),
elements (elements, connections). No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from watchword.model.settings import JumpFrom

FAMILIES = {"inet": 1, "ip": 2, "ip6": 10}
"""nftables' families that we attach to, with their numbers (NFPROTO_*)."""

SET_SIZE = 262_144
"""Elements of one set, at the most. The kernel takes 8 bytes for each at once."""
PASS_SIZE = 65_536
"""The same for connections that are let through or cut one by one."""


@dataclass(frozen=True, slots=True)
class Home:
    """A table that holds openings of ours."""

    family: str
    """``inet``, ``ip`` or ``ip6``."""
    table: str
    prefix: str = ""
    """In front of the names of our sets."""
    verdicts: bool = False
    """True: the sets are maps to ``accept`` (attachment ``jump``; the reason is there)."""

    @property
    def number(self) -> int:
        return FAMILIES[self.family]

    @property
    def versions(self) -> tuple[int, ...]:
        """IP versions whose packets pass this table."""
        return {"inet": (4, 6), "ip": (4,), "ip6": (6,)}[self.family]

    def set_name(self, version: int, *, to: bool) -> str:
        """The set for openings of an IP version; ``to``: of those with a destination."""
        return f"{self.prefix}open{version}{'_to' if to else ''}"

    def __str__(self) -> str:
        return f"{self.family} {self.table}"


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain stands in the packet path."""

    number: int
    priority: int
    policy: int
    """1: accept."""


@dataclass(frozen=True, slots=True)
class ExpectedChain:
    """A chain of ours, known by the comments of its rules, in order."""

    home: Home
    name: str
    comments: tuple[str, ...]
    hook: Hook | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """Everything that has to stand before an opening means anything."""

    homes: tuple[Home, ...]
    chains: tuple[ExpectedChain, ...]
    sets: tuple[tuple[Home, str], ...]
    jumps: tuple[JumpFrom, ...] = ()
    """Chains of the operator's that call ours."""
    table_comment: str | None = None
    """How a table of our own is told from somebody else's; None: the tables are not ours."""
