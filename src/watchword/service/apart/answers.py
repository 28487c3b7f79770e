"""What the hand says to the gate: the value that was asked for, or what went wrong.

In here: both as bytes. Not in here: orders, which go the other way and are believed nothing
(wire.orders).

This way the standard library's pickle is good enough: the hand holds every right that the gate
ever had, and could change it at will. Keys go along: they are what the gate opens packets with.
"""

from __future__ import annotations

import pickle  # only ever read by the side that has fewer rights than the writer
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from watchword.errors import HostError, WatchwordError
from watchword.model.crypto import Secret
from watchword.record import record
from watchword.service.daemon.hand import NotAllowedError, UncheckedError


@dataclass(frozen=True, slots=True)
class Answer:
    """To the order of that number; 0: there is only one under way."""

    number: int
    value: Any = None
    error: tuple[type, tuple[Any, ...], dict[str, Any]] | None = None


@record
class Begun:
    """A command was allowed, and runs from now on."""

    number: int


@record
class Disturbed:
    """Other hands may have changed the firewall."""


@record
class Signalled:
    """The operator sent this signal."""

    name: str


@record
class Asked:
    """Somebody asks at the control socket."""

    number: int
    name: str
    fields: dict[str, Any]
    pid: int
    uid: int
    groups: frozenset[int]
    root: bool


class _Writer(pickle.Pickler):
    """Writes down secrets as well, which nobody else does."""

    def reducer_override(self, what: Any) -> Any:
        return (Secret, (what.reveal(),)) if isinstance(what, Secret) else NotImplemented


def told(what: object) -> bytes:
    octets = BytesIO()
    _Writer(octets).dump(what)
    return octets.getvalue()


def heard(octets: bytes) -> Any:
    return pickle.loads(octets)  # noqa: S301 (see above)


def failure(number: int, error: Exception) -> Answer:
    """The same error, for the other side to raise. A bug of ours becomes trouble of the host."""
    if not isinstance(error, (WatchwordError, OSError, NotAllowedError, UncheckedError)):
        error = HostError(str(error) or type(error).__name__)
    return Answer(number, error=(type(error), error.args, dict(error.__dict__)))


def opened(answer: Answer) -> Any:
    """The value, or the error raised."""
    if answer.error is None:
        return answer.value
    kind, arguments, fields = answer.error
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(fields)
    raise error
