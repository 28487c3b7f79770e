"""How a program says what went wrong.

Answers go to standard output, everything else to standard error with the
program's name in front. Exit status: 0 done, 1 could not be done (for the
compatible programs every failure), 2 asked for wrongly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TextIO

from watchword.edges import streams
from watchword.errors import Complaint, HostError, OperatorError, WatchwordError


def complain(program: str, error: WatchwordError, to: TextIO | None = None) -> None:
    """Print an error with its remedy; every complaint of it, if it has several."""
    stream = to or sys.stderr
    if isinstance(error, OperatorError):
        say(program, error.complaints, stream)
        return
    print(f"{program}: error: {error}", file=stream)
    if isinstance(error, HostError) and error.hint:
        print(f"{program}: hint: {error.hint}", file=stream)


def say(program: str, complaints: Iterable[Complaint], to: TextIO | None = None) -> None:
    """Print complaints, each with file, line and remedy."""
    stream = to or sys.stderr
    for each in complaints:
        kind = "error" if each.fatal else "warning"
        where = f"{each.place}: " if each.place else ""
        print(f"{program}: {kind}: {where}{each.message}", file=stream)
        if each.hint:
            print(f"{program}: hint: {each.hint}", file=stream)


def answered(program: str, answer: Callable[[], int]) -> int:
    """The exit status of what prints an answer; 1 if nobody takes what it prints.

    Whoever has read enough (``| head``) is told nothing; a full disk is said.
    """
    try:
        status = answer()
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if (lost := streams.output_lost(error)) is None:
            raise
        if lost:
            complain(program, HostError(lost))
        return 1
    return status
