"""When rules of ipfw end that are in force once more.

In here: a file with what is true of such rules. Not in here: moving them (ipfw), their text
(ipfw_text).

A rule says when it ends, and cannot be made to say anything else. One that was over, and is in
force again, says what was. What is true stands in this file, for the server and for whoever ends
rules after it. If the file is lost, rules end when they say: too early, never too late.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from watchword.edges import files
from watchword.errors import WatchwordError

NAME: Final = "ipfw.ends"
_LIMIT: Final = 1 << 23  # bytes; a number has one line of about 60


class Said(NamedTuple):
    """A number and what its rules say, so that no other rule is taken for them."""

    number: int
    who: str
    ends: int
    """Unix seconds."""


class Ends:
    """For whoever holds the lock on rules."""

    def __init__(self, folder: Path | None) -> None:
        """None: there is nowhere to write, and no rule is ever in force again."""
        self._path = None if folder is None else folder / NAME

    def read(self) -> dict[Said, int]:
        """Unix seconds at which rules end that say something else; what cannot be read is none."""
        try:
            if self._path is None or not self._path.exists():
                return {}
            rows = json.loads(files.read_bytes(self._path, _LIMIT))
            found = {Said(int(at), str(who), int(said)): int(ends) for at, who, said, ends in rows}
        except (WatchwordError, OSError, TypeError, ValueError):
            return {}
        return {said: ends for said, ends in found.items() if ends > said.ends}

    def note(self, again: Mapping[Said, int], there: Collection[Said]) -> bool:
        """Say when these rules end; of others, keep what is said of those that are there.

        Return whether it could be written down.
        """
        if self._path is None:
            return False
        kept = {said: ends for said, ends in self.read().items() if said in there}
        rows = [[*said, ends] for said, ends in sorted({**kept, **again}.items())]
        try:
            files.replace_private(self._path, json.dumps(rows).encode(), lasting=False)
        except WatchwordError:
            return False
        return True
