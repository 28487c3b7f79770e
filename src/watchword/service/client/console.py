"""How the client speaks: answers to standard output, everything else to standard error.

In here: printing, and what an error looks like. ``--quiet`` silences notices and
remarks, ``--debug`` leads details to standard error. The sentences are those of the
original, without the program's name in front, because scripts look for them;
what we add stands on a line of its own, as a hint.
"""

from __future__ import annotations

import io
import sys

from watchword.dialects.fwknop.client_values import printable
from watchword.errors import Complaint, HostError, OperatorError, WatchwordError

_LONGEST = 2000  # characters of a line; somebody's argument may have a million


class Console:
    """Standard output and standard error of one run."""

    def __init__(self, *, aside: bool = False) -> None:
        """``aside``: answers go to standard error too, because something else has the output."""
        self._answers = sys.stderr if aside else sys.stdout
        self.quiet = False
        self.debug = False
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    @property
    def attended(self) -> bool:
        """Whether somebody may be reading what we say on standard error."""
        return sys.stderr.isatty()

    def say(self, text: str = "") -> None:
        print(text, file=self._answers)

    def notice(self, text: str = "") -> None:
        """What nobody has to know."""
        if not self.quiet:
            self.say(text)

    def detail(self, text: str = "") -> None:
        """What -v asked for."""
        print(text, file=sys.stderr if self.debug else self._answers)

    def warn(self, text: str) -> None:
        """Say it on standard error; names in it may be anybody's, and steer no terminal."""
        lines = (
            line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in text.split("\n")
        )
        print("\n".join(map(printable, lines)), file=sys.stderr)

    def hint(self, text: str) -> None:
        if text:
            self.warn(f"fwknop: hint: {text}")

    def remark(self, complaint: Complaint) -> None:
        place = f"{complaint.place}: " if complaint.place else ""
        self.warn(f"{place}{complaint.message}")
        self.hint(complaint.hint)

    def complain(self, error: OperatorError | HostError) -> None:
        if isinstance(error, HostError):
            self.warn(str(error))
            self.hint(error.hint)
            return
        for complaint in error.complaints:
            self.remark(complaint)


def first_line(error: WatchwordError) -> str:
    """What went wrong, without what the original adds on lines of their own."""
    return str(error).split("\n", 1)[0]
