"""Tells the story on the terminal, and keeps count of what was claimed.

In here: scenes, shell lines, claims; colour where it is wanted.
Not in here: finding out whether a claim holds (demo.checks).
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TextIO

BOLD, DIM, GREEN, RED, CYAN = "1", "2", "32", "1;31", "36"
WIDTH = 92


def wants_colour(to: TextIO) -> bool:
    """On a terminal, unless NO_COLOR is set to anything or the terminal is a dumb one."""
    return to.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Narrator:
    """Prints as things happen. Every claim is printed with whether it holds."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = sys.stdout if to is None else to
        self._colour = wants_colour(self._to)
        self._scenes = 0
        self.claims = 0
        self.failures = 0

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _line(self, text: str = "") -> None:
        print(text, file=self._to, flush=True)

    def scene(self, title: str) -> None:
        self._scenes += 1
        self._line()
        self._line(self._paint(f"{self._scenes}. {title}", BOLD))

    def say(self, text: str) -> None:
        """A paragraph; line ends in it do not matter."""
        whole = " ".join(text.split())
        self._line(textwrap.fill(whole, WIDTH, initial_indent="   ", subsequent_indent="   "))

    def shell(self, who: str, command: str) -> None:
        """A command that somebody types."""
        self._line(f"   {self._paint(f'{who}$', CYAN)} {command}")

    def show(self, output: str) -> None:
        """What a program printed, or a file, as it is."""
        for line in output.rstrip().splitlines():
            self._line(self._paint(f"     | {line}", DIM))

    def claim(self, text: str, holds: bool, seen: object = "") -> bool:
        """Say something that was checked. ``seen`` is printed if it does not hold.

        Returns whether it holds, for those who cannot go on otherwise.
        """
        self.claims += 1
        if holds:
            self._line(f"   {self._paint('[ok]', GREEN)} {text}")
            return True
        self.failures += 1
        self._line(f"   {self._paint('[FAILED]', RED)} {text}")
        for line in (str(seen) or "(nothing)").splitlines():
            self._line(f"            seen: {line}")
        return False

    def end(self, seconds: float) -> int:
        """Count up; the exit status: 0 if something was claimed and all of it holds."""
        self._line()
        held = self.claims - self.failures
        verdict = f"{held} of {self.claims} claims checked and true, in {seconds:.0f} s"
        good = self.claims > 0 and not self.failures
        self._line(self._paint(verdict, GREEN if good else RED))
        return 0 if good else 1
