"""What can go wrong, sorted by who has to act.

In here: the three kinds of error, the place in a file that one speaks of, and
complaints, which collect everything that is wrong with a file at once.
Not in here: exit statuses and printing (service.complain).

Anything else that is raised is a bug and is let through. No message quotes a
key, a passphrase or a payload.
"""

from __future__ import annotations

from watchword.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


@record
class Place:
    """A line of a file, for a person to look at."""

    file: str
    line: int
    """1-based; 0 speaks of the file as a whole."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __lt__(self, other: Place) -> bool:
        return (self.file, self.line) < (other.file, other.line)


@record
class Complaint:
    """One thing that is wrong with what an operator wrote."""

    message: str
    place: Place | None = None
    hint: str = ""
    """What to do about it, in the imperative; empty where the message says it."""
    fatal: bool = True
    """False: the thing is taken as it is, or ignored as the message says."""

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class WatchwordError(Exception):
    """Base class; nothing raises it directly."""


class PeerError(WatchwordError):
    """A packet is not acceptable. Count it, drop it, never answer it."""


class OperatorError(WatchwordError):
    """A file or a command line is wrong. Say where, and what would be right."""

    def __init__(self, message: str, *, place: Place | None = None, hint: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.complaints: tuple[Complaint, ...] = (Complaint(message, place, hint),)

    @classmethod
    def of(cls, complaints: Sequence[Complaint]) -> OperatorError:
        """One error for everything that is wrong with a file. At least one complaint."""
        first = complaints[0]
        error = cls(first.message, place=first.place, hint=first.hint)
        error.complaints = tuple(complaints)
        return error


class HostError(WatchwordError):
    """This machine refused: kernel, firewall tool, disk. Report it, and try again."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ProgramError(HostError):
    """A program of this machine came to its end and says no."""

    def __init__(
        self, message: str, *, argv: Sequence[str], status: int, said: str, hint: str = ""
    ) -> None:
        """``said``: what it printed, all of it or the beginning."""
        super().__init__(message, hint=hint)
        self.argv = tuple(argv)
        self.status = status
        self.said = said
