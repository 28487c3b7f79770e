"""Reads what the knock daemon is to do: knockd.conf, and the files that it names.

In here: reading, and the first sequence of one-time doors.
Not in here: the words of the files (dialects.knockd), using a sequence up (one_time_doors).
"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from watchword.dialects.knockd import conf, door_kernel, one_time
from watchword.edges import files
from watchword.edges.one_time import LIMIT
from watchword.errors import Complaint, OperatorError
from watchword.model.doors import Door
from watchword.model.knocking import Knocking

_HOLDS_SECRETS = "whoever reads it can knock: chmod 640 and chgrp root, or chmod 600"


def load(path: str) -> Knocking:
    """Everything, ready to be used. Raises OperatorError.

    A door whose one-time sequences are used up has an empty sequence.
    """
    try:
        text = files.read_text(path)
    except OperatorError as error:
        raise _as_original(path, error) from None
    found = conf.read(text, path)
    if unfit := list(door_kernel.unfit(found.doors, found.settings.firewall)):
        raise OperatorError.of(unfit)
    complaints = [*found.complaints, *_rights(path)]
    doors = [_supplied(door, complaints) for door in found.doors]
    return Knocking(found.settings, tuple(doors), tuple(complaints))


def _as_original(path: str, error: OperatorError) -> OperatorError:
    """``PATH: REASON``, with the system's reason where there is one."""
    reason = error.complaints[0].message
    try:
        with Path(path).open("rb"):
            pass
    except OSError as said:
        reason = said.strerror or reason
    return OperatorError(f"{path}: {reason}", hint=error.complaints[0].hint)


def _rights(path: str) -> list[Complaint]:
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return []
    if not mode & (stat.S_IROTH | stat.S_IWOTH):
        return []
    verb = "written" if mode & stat.S_IWOTH else "read"
    return [Complaint(f"{path} may be {verb} by everybody", None, _HOLDS_SECRETS, fatal=False)]


def _supplied(door: Door, complaints: list[Complaint]) -> Door:
    if door.one_time is None:
        return door
    try:
        content = files.read_bytes(door.one_time, LIMIT)
    except OperatorError as error:
        raise _as_original(door.one_time, error) from None
    found = one_time.next_sequence(content)
    for number, puzzle in found.puzzles:
        said = f"config: section {door.name}: {puzzle}"
        hint = f"line {number} of {door.one_time} is passed over"
        complaints.append(Complaint(said, None, hint, fatal=False))
    return replace(door, sequence=found.sequence)
