"""Commands with blanks in them, to be filled in for one caller.

In here: what can be filled in, and doing it.
Not in here: how blanks are written in a file (dialects), which values there
are for whom (grant.cycles).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

from watchword.record import record


class Blank(StrEnum):
    """What a command can be told about the request that it is run for."""

    WHO = "who"  # address that is let in
    SOURCE = "source"  # address that the packet came from
    DESTINATION = "destination"  # address that it was sent to
    PORT = "port"
    PROTO_NUMBER = "protocol number"
    PROTO_NAME = "protocol name"
    ENDS = "ends"  # Unix seconds
    SECONDS = "seconds"


Part: TypeAlias = str | Blank
"""A piece of text as it stands, or a blank. (A blank is a str too: ask for it first.)"""
Filling: TypeAlias = Mapping[Blank, str]


@record
class Template:
    """One command of an operator's."""

    text: tuple[Part, ...]
    """As it is told in the log, and given to a shell."""
    words: tuple[tuple[Part, ...], ...]
    """As it is given to a program: split before anything is filled in."""

    def names(self, *blanks: Blank) -> bool:
        """Whether it has any of these blanks."""
        return any(each in blanks for each in self.text if isinstance(each, Blank))

    def told(self, filling: Filling) -> str:
        return _filled(self.text, filling)

    def argv(self, filling: Filling) -> tuple[str, ...]:
        return tuple(_filled(word, filling) for word in self.words)


def _filled(parts: tuple[Part, ...], filling: Filling) -> str:
    return "".join(filling[each] if isinstance(each, Blank) else each for each in parts)
