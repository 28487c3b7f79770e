"""What has to be closed, kept by the one who opened it.

In here: commands that close, and when, in a file that survives a crash.
Not in here: running them (service.apart.workshop); the journal of grants (replay.journal), which
another process writes, and which is not believed when it comes to running commands. For the same
reason the file lies in a folder that this other process cannot write.

Every line of the file is one change, and is on the disk before what it is for begins. At the
start it is written anew without what is done with.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from watchword.edges import files
from watchword.errors import HostError, OperatorError
from watchword.model.commands import Closing
from watchword.model.moments import Moment

NAME: Final = "hand.debts"
Owed = tuple[Closing, float, float]
"""What has to be run, until when, and how many seconds it may be put off, see ``Debt``."""
_LARGEST: Final = 64 << 20  # bytes


@dataclass(slots=True)
class Debt:
    """One command that has to be run."""

    number: int
    closing: Closing
    until: float
    """Steady-clock seconds at which it is due."""
    most: float
    """Seconds that the stanza lets it be put off from now on, at any time."""
    tried: bool = False
    """True: it was run and failed."""
    inherited: bool = False
    """True: an earlier run left it."""
    busy: bool = False
    """True: it is being run."""


def folder_beside(state_dir: Path) -> Path:
    """Where they are kept: beside the state directory, for what reads packets writes in that."""
    return state_dir.with_name(f"{state_dir.name}.hand")


class Debts:
    """All that are owed. Methods block for the disk; one thread at a time."""

    def __init__(
        self,
        path: Path,
        boot: str,
        now: Moment,
        otherwise: Callable[[], Iterable[Owed]] = tuple,
    ) -> None:
        """Take up what an earlier run left; what there is ``otherwise`` where there is no file.

        Raises HostError: the file cannot be used.
        """
        self._path = path
        self._boot = boot
        self._owed: dict[int, Debt] = {}
        if not path.exists():
            found = (Debt(at, *each, inherited=True) for at, each in enumerate(otherwise(), 1))
            self._owed = {each.number: each for each in found}
        for row in _rows(path):
            self._replay(row, now)
        self._numbers = count(max(self._owed, default=0) + 1)
        self._descriptor = self._begin(now)

    def _replay(self, row: Any, now: Moment) -> None:
        if "paid" in row:
            self._owed.pop(row["paid"], None)
            return
        until = float(row["until"])
        if row["boot"] != self._boot or not self._boot:
            until = now.steady + max(0.0, min(float(row["ends"]) - now.wall, float(row["most"])))
        closing = Closing(row["text"], tuple(row["argv"]), float(row["seconds"]))
        self._owed[row["owe"]] = Debt(
            row["owe"], closing, until, float(row["most"]), inherited=True
        )

    def _begin(self, now: Moment) -> int:
        text = "".join(self._line(debt, now) for debt in self._owed.values())
        files.replace_private(self._path, text.encode("ascii"))
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise _trouble(self._path, error.strerror or "it failed") from error

    def _line(self, debt: Debt, now: Moment) -> str:
        closing = debt.closing
        row = {
            "owe": debt.number, "text": closing.text, "argv": closing.argv,
            "seconds": closing.seconds, "until": debt.until, "most": debt.most,
            "ends": now.wall + debt.until - now.steady, "boot": self._boot,
        }  # fmt: skip
        return json.dumps(row) + "\n"

    def owe(self, closing: Closing, until: float, most: float, now: Moment) -> Debt:
        """Note what will have to be run. Raises HostError: it is not noted."""
        debt = Debt(next(self._numbers), closing, until, most)
        self._write(self._line(debt, now))
        self._owed[debt.number] = debt
        return debt

    def put_off(self, debt: Debt, until: float, now: Moment) -> None:
        """It is due later. Raises HostError."""
        debt.until = until
        self._write(self._line(debt, now))

    def pay(self, debt: Debt) -> None:
        """It was run. Raises HostError: it will be run once more after a restart."""
        if self._owed.pop(debt.number, None) is not None:
            self._write(json.dumps({"paid": debt.number}) + "\n")

    def of(self, argv: Sequence[str]) -> Debt | None:
        """The one that is due first of those with these words, and is not being run."""
        words = tuple(argv)
        found = [
            each for each in self._owed.values() if each.closing.argv == words and not each.busy
        ]
        return min(found, key=lambda each: each.until, default=None)

    def overdue(self, before: float) -> list[Debt]:
        """Those that were due before these steady seconds and never run, the oldest first."""
        found = [each for each in self._due(before) if not each.tried and not each.busy]
        return sorted(found, key=lambda each: each.until)

    def give_up(self, before: float) -> None:
        """Forget what failed, and was due before these steady seconds. Raises HostError."""
        for each in self._due(before):
            if each.tried and not each.busy:
                self.pay(each)

    def _due(self, before: float) -> list[Debt]:
        return [each for each in self._owed.values() if each.until < before]

    def __len__(self) -> int:
        return len(self._owed)

    def _write(self, line: str) -> None:
        octets = line.encode("ascii")
        try:
            size = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, octets) != len(octets):
                os.ftruncate(self._descriptor, size)  # half a line would spoil the next one
                raise _trouble(self._path, os.strerror(errno.ENOSPC))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _trouble(self._path, error.strerror or "it failed") from error

    def close(self) -> None:
        os.close(self._descriptor)


def _rows(path: Path) -> Iterable[Any]:
    """Every whole line; the last one may have been cut by a crash."""
    if not path.exists():
        return
    try:
        lines = files.read_text(path, limit=_LARGEST).splitlines()
    except OperatorError as error:
        raise HostError(str(error), hint=f"see what is wrong with {path}") from error
    for at, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if at == len(lines):
                return
            raise HostError(
                f"{path}:{at} cannot be read",
                hint="commands that close are in it: look what is still open, then move it away",
            ) from error
        yield row


def _trouble(path: Path, why: str) -> HostError:
    return HostError(f"{path}: {why}", hint="what opens by commands stays shut")
