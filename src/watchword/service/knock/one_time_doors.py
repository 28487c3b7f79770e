"""Uses up one-time sequences: marks the one that was knocked, and takes the next.

In here: what becomes of the door. Not in here: the file's lines (dialects.knockd.one_time),
writing to it (edges.one_time).

The mark is on the disk before anything opens. If it cannot be put there, the
door does not open and is closed for good: its sequence could be knocked again
by whoever watched. Source: knockd, section 7; difference: only this door ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from watchword.dialects.knockd import one_time
from watchword.edges import files
from watchword.edges.one_time import LIMIT, mark
from watchword.errors import HostError, OperatorError
from watchword.model.door_events import (
    DoorEvent,
    SequenceNotMarked,
    SequencesUsedUp,
    SequenceTaken,
    Trouble,
)
from watchword.model.doors import Door


def used_up(door: Door, path: str, tell: Callable[[DoorEvent], None]) -> tuple[bool, Door]:
    """Whether the door may open, and the door as it waits from now on."""
    try:
        marked = mark(path, partial(one_time.place_of_mark, used=door.sequence))
    except HostError as error:
        tell(SequenceNotMarked(door.name, str(error)))
        return False, replace(door, sequence=())
    if not marked:
        said = f"{door.name}: not opened: its sequence is no longer in {path}"
        tell(Trouble(said, "after a change to the file, have knockd read it: kill -HUP"))
    return marked, _next(door, path, tell)


def _next(door: Door, path: str, tell: Callable[[DoorEvent], None]) -> Door:
    try:
        found = one_time.next_sequence(files.read_bytes(path, LIMIT))
    except OperatorError as error:
        tell(Trouble(str(error), error.complaints[0].hint))
        return replace(door, sequence=())
    for number, puzzle in found.puzzles:
        tell(Trouble(f"config: section {door.name}: {puzzle}", f"line {number} of {path}"))
    door = replace(door, sequence=found.sequence)
    tell(SequenceTaken(door) if found.sequence else SequencesUsedUp(door.name))
    return door
