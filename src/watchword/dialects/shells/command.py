"""Command lines as values, whatever parses them.

In here: commands with their options, and what kind of value each takes.
Not in here: where these come from (service.tool.command_lines), scripts (bash, zsh, fish).
"""

from __future__ import annotations

from enum import Enum

from watchword.record import record


class Takes(Enum):
    """What follows an option or stands for itself, as far as a shell can propose it."""

    NOTHING = "nothing"
    TEXT = "text"
    """Nothing that a shell would know."""
    WORD = "word"
    """One of ``words``."""
    FILE = "file"
    FOLDER = "folder"
    HOST = "host"
    STANZA = "stanza"
    """The name of a section of the rc file."""


@record
class Value:
    """What an option takes."""

    takes: Takes
    name: str = ""
    """What the usage text calls it; empty: nothing is taken."""
    words: tuple[str, ...] = ()


@record
class Switch:
    """One option."""

    short: str
    """One letter, or empty."""
    long: str
    value: Value
    what: str
    """Half a sentence for a list of options."""

    @property
    def names(self) -> tuple[str, ...]:
        """With their dashes, the short one first."""
        return (*([f"-{self.short}"] if self.short else []), f"--{self.long}")


@record
class Command:
    """A program, or a command of one."""

    name: str
    what: str
    switches: tuple[Switch, ...]
    commands: tuple[Command, ...] = ()
    """What may follow; each with switches of its own."""
    operand: Value = Value(Takes.TEXT)
    """What may stand for itself, where no command has to follow."""
