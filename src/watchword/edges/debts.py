"""What has to be closed, kept by the one who opened it.

In here: commands that close, and when, in a file that survives a crash.
Not in here: running them (service.apart.owing); the journal of grants (replay.journal), which
another process writes, and which is not believed when it comes to running commands. For the same
reason the file lies in a folder that this other process cannot write.

Every line of the file is one change, and is on the disk before what it is for begins. At the
start, and when most of it is about what is done with, it is written anew without that. What
failed stays until it has succeeded.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from watchword.edges import files
from watchword.errors import HostError
from watchword.model.commands import Closing
from watchword.model.moments import Moment

NAME: Final = "hand.debts"
Owed = tuple[Closing, float, float]
"""What has to be run, until when, and how many seconds it may be put off, see ``Debt``."""
MOST: Final = 65_536  # that are owed at once
TIDY: Final = 1024  # lines about what is done with that are left alone
_REMEMBERED: Final = 4096  # commands that were run
_APPENDING: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


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
    """True: it is being run, or what it closes is being opened."""


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
        self._by_words: dict[tuple[str, ...], dict[int, Debt]] = {}
        self._paid: dict[tuple[str, ...], None] = {}
        if not path.exists():
            for at, each in enumerate(otherwise(), 1):
                self._add(Debt(at, *each, inherited=True))
        for at, row in _rows(path):
            try:
                self._replay(row, now)
            except (KeyError, TypeError, ValueError) as error:
                raise _unreadable(path, at) from error
        self._numbers = count(max(self._owed, default=0) + 1)
        self._lines = {each.number: self._line(each, now) for each in self._owed.values()}
        self._dead = 0
        self._descriptor = -1
        self._begin()

    def _replay(self, row: Any, now: Moment) -> None:
        if "paid" in row:
            self._remove(row["paid"])
            return
        until = float(row["until"])
        if row["boot"] != self._boot or not self._boot:
            until = now.steady + max(0.0, min(float(row["ends"]) - now.wall, float(row["most"])))
        closing = Closing(row["text"], tuple(row["argv"]), float(row["seconds"]))
        self._add(Debt(row["owe"], closing, until, float(row["most"]), inherited=True))

    def _add(self, debt: Debt) -> None:
        self._owed[debt.number] = debt
        self._by_words.setdefault(debt.closing.argv, {})[debt.number] = debt

    def _remove(self, number: int) -> bool:
        """It was run; False: it is not owed."""
        if (debt := self._owed.pop(number, None)) is None:
            return False
        alike = self._by_words[debt.closing.argv]
        del alike[number]
        if not alike:
            del self._by_words[debt.closing.argv]
        self._note_paid(debt)
        return True

    def _begin(self) -> None:
        """Write what is owed into a new file. Raises HostError."""
        files.replace_private(self._path, "".join(self._lines.values()).encode("ascii"))
        self.close()
        self._dead = 0

    def _tidy(self) -> None:
        if self._dead <= max(TIDY, len(self._owed)):
            return
        self._dead = 0
        with suppress(HostError):  # the old file is whole; another try comes in time
            self._begin()

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
        if len(self._owed) >= MOST:
            raise _trouble(self._path, f"{MOST} commands that close have not been run")
        debt = Debt(next(self._numbers), closing, until, most)
        line = self._line(debt, now)
        self._write(line)
        self._add(debt)
        self._lines[debt.number] = line
        return debt

    def put_off(self, debt: Debt, until: float, now: Moment) -> None:
        """It is due later. Raises HostError."""
        debt.until = until
        line = self._line(debt, now)
        self._write(line)
        self._lines[debt.number] = line
        self._dead += 1
        self._tidy()

    def pay(self, debt: Debt) -> None:
        """It was run. Raises HostError: it will be run once more after a restart."""
        if self._remove(debt.number):
            del self._lines[debt.number]
            self._dead += 2
            self._write(json.dumps({"paid": debt.number}) + "\n")
            self._tidy()

    def _note_paid(self, debt: Debt) -> None:
        self._paid.pop(debt.closing.argv, None)
        self._paid[debt.closing.argv] = None
        while len(self._paid) > _REMEMBERED:
            del self._paid[next(iter(self._paid))]

    def paid(self, argv: Sequence[str]) -> bool:
        """Whether these words were run lately."""
        return tuple(argv) in self._paid

    def of(self, argv: Sequence[str]) -> Debt | None:
        """The one that is due first of those with these words, and is not busy; one that has
        failed only where there is no other."""
        found = (each for each in self._with(argv) if not each.busy)
        return min(found, key=lambda each: (each.tried, each.until), default=None)

    def busy(self, argv: Sequence[str]) -> bool:
        """Whether one with these words is busy."""
        return any(each.busy for each in self._with(argv))

    def _with(self, argv: Sequence[str]) -> Iterable[Debt]:
        return self._by_words.get(tuple(argv), {}).values()

    def overdue(self, before: float) -> list[Debt]:
        """Those that were due before these steady seconds and never run, the oldest first."""
        due = [each for each in self._owed.values() if each.until < before]
        found = [each for each in due if not each.tried and not each.busy]
        return sorted(found, key=lambda each: each.until)

    def __len__(self) -> int:
        return len(self._owed)

    def _write(self, line: str) -> None:
        octets = line.encode("ascii")
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, _APPENDING)
            size = os.fstat(self._descriptor).st_size
            if os.write(self._descriptor, octets) != len(octets):
                os.ftruncate(self._descriptor, size)  # half a line would spoil the next one
                raise _trouble(self._path, os.strerror(errno.ENOSPC))
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _trouble(self._path, error.strerror or "it failed") from error

    def close(self) -> None:
        """The next change opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Every whole line, and its number; the last one may have been cut by a crash."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _trouble(path, error.strerror or "it failed") from error
    cut = 0
    with os.fdopen(descriptor, "rb") as file:
        for at, line in enumerate(file, 1):
            if cut:
                raise _unreadable(path, cut)
            try:
                row = json.loads(line)
            except ValueError:
                cut = at
            else:
                yield at, row


def _unreadable(path: Path, at: int) -> HostError:
    return HostError(
        f"{path}:{at} cannot be read",
        hint="commands that close are in it: look what is still open, then move it away",
    )


def _trouble(path: Path, why: str) -> HostError:
    return HostError(f"{path}: {why}", hint="what opens by commands stays shut")
