"""A door's commands with the caller's address in its place.

In here: the text for the log, and the words that are run. Not in here: running them (runs,
service.apart.workshop), whether a shell is needed (dialects.knockd.commands).
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.knockd.commands import LONGEST
from watchword.model.addresses import Address
from watchword.model.commands import Closing
from watchword.model.doors import DoorCommand, RunCommands
from watchword.model.templates import Blank
from watchword.record import record

SHELL: Final = ("/bin/sh", "-c")


@record
class Spelled:
    """A command with the address in its place."""

    text: str
    argv: tuple[str, ...]

    def closing(self, seconds: float) -> Closing:
        """The same as something that is owed; it may take so many seconds."""
        return Closing(self.text, self.argv, seconds)


class TooLongError(ValueError):
    """A command is longer than knockd's; its argument is ``start`` or ``stop``."""


def spelled(action: RunCommands, who: Address) -> tuple[Spelled | None, Spelled | None]:
    """What opens a door for a caller, and what closes it. Raises TooLongError."""
    start, stop = action.of(who)
    if start is None:
        return None, None
    closes = stop is not None and action.seconds is not None
    return _one(start, who, "start"), _one(stop, who, "stop") if stop and closes else None


def _one(command: DoorCommand, who: Address, which: str) -> Spelled:
    filling = {Blank.WHO: str(who)}
    text = command.template.told(filling)
    if len(text.encode("utf-8", "surrogateescape")) > LONGEST:
        raise TooLongError(which)
    argv = (*SHELL, text) if command.through_shell else command.template.argv(filling)
    return Spelled(text, argv)
