"""Named actions of the operator's own: programs that callers may ask for by name.

In here: values. Not in here: how they are declared (dialects), whether what a caller wrote
fits (grant.actions), running (edges.programs).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from watchword.model.commands import DEFAULT_SECONDS, Account
from watchword.record import record

CLOSE: Final = "close"
"""What a caller says to end a grant of his own before its time; no action is called so."""

ADMIT: Final = "admit"
"""What he says to ask for what an access message has no field for; no action is called so."""


class Kind(StrEnum):
    """What an argument can be."""

    ADDRESS = "address"  # IPv4 or IPv6, one host
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    PORT = "port"  # 1 to 65535
    NUMBER = "number"  # an integer from ``low`` to ``high``
    CHOICE = "one-of"  # one of ``choices``
    WORD = "word"  # the whole of it matches ``pattern``


@record
class Argument:
    """One word that the caller says."""

    name: str
    kind: Kind
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression in Python's syntax."""


Piece: TypeAlias = str | Argument
"""A piece of a word of a program's: as it stands, or what the caller said."""


@record
class Action:
    """A program that callers of some stanzas may have run, by its name."""

    name: str
    words: tuple[tuple[Piece, ...], ...]
    """Split before anything is filled in: what a caller says is never more than part of one."""
    arguments: tuple[Argument, ...] = ()
    """In the order in which a caller says them; all of them have to be there."""
    account: Account | None = None
    """None: whoever the daemon runs as."""
    seconds: float = DEFAULT_SECONDS
    """How long it may take."""

    @property
    def usage(self) -> str:
        """How it is asked for: ``wake HOST``."""
        return " ".join((self.name, *(each.name for each in self.arguments)))
