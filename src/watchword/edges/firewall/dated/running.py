"""Runs the program of a firewall, and says what went wrong with it.

In here: the run and its words. Not in here: which programs and arguments (ipfw, pf, ipf, netsh).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from watchword.errors import HostError, ProgramError
from watchword.ports import Completed, NotStartedError, ProgramRunner

Step = tuple[Sequence[str], Sequence[str]]
"""What is to be run, and what would undo it."""
_LONGEST = 300  # characters of what a program said


class RefusedError(ProgramError):
    """The program came to its end and says no: nothing was done."""


class Program:
    """One program, run with other arguments each time."""

    def __init__(self, exe: str, programs: ProgramRunner) -> None:
        self.exe = exe
        self._programs = programs

    def run(self, *words: str, stdin: str = "") -> str:
        """What it says. Raises HostError: it failed, with its own words."""
        done = self.tried(*words, stdin=stdin)
        if done.status:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            why = " ".join(said[:_LONGEST].split()) or f"exit status {done.status}"
            raise RefusedError(
                f"{self.exe} {' '.join(words)}: {why}",
                argv=(self.exe, *words),
                status=done.status,
                said=said,
                hint="the daemon has to run as root, and the firewall has to be switched on",
            )
        return done.stdout.decode("utf-8", "replace")

    def run_all(self, steps: Iterable[Step]) -> None:
        """Everything, or nothing: what was done is undone where something is refused.

        Of a program that did not come to its end nobody knows: that is undone as well.
        Raises HostError.
        """
        undo: list[Sequence[str]] = []
        try:
            for words, inverse in steps:
                undo.append(inverse)
                self.run(*words)
        except HostError as error:
            if isinstance(error, RefusedError):
                undo.pop()
            for inverse in reversed(undo):
                with suppress(HostError):  # whoever hears of the first one looks at all of it
                    self.tried(*inverse)
            raise

    def tried(self, *words: str, stdin: str = "") -> Completed:
        """How it ended, whatever that is. Raises HostError: it did not run to its end."""
        try:
            return self._programs.run([self.exe, *words], stdin=stdin.encode())
        except NotStartedError as error:
            raise NotStartedError(
                str(error),
                hint=error.hint
                or "FIREWALL_BACKEND is for a firewall whose program is not here: FIREWALL_EXE "
                "says where it is, and on Linux there is FIREWALL_BACKEND nftables",
            ) from error
