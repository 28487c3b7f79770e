"""A shell on a terminal of its own: what is typed, and what it says.

In here: starting one in a pseudo-terminal, typing, waiting for a word.
Not in here: what is typed (the tests).
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_QUERIES = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62;c"}
"""What shells ask of a terminal before they go on, and what one answers."""


class Terminal:
    """A program that believes to have somebody before it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.said = b""
        self._child, self._line = pty.fork()
        if not self._child:
            try:
                os.chdir(folder)
                os.execvpe(argv[0], list(argv), dict(environment))  # noqa: S606
            finally:
                os._exit(127)
        fcntl.ioctl(self._line, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._line)
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)

    def type(self, text: str, until: str, *, seconds: float = 60) -> str:
        """Type, and wait until the program has said a word once more; what it said meanwhile."""
        before = len(self.said)
        os.write(self._line, text.encode())
        limit = time.monotonic() + seconds
        while until.encode() not in self.said[before:]:
            left = limit - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{text!r}: no {until!r} in {self.said[before:]!r}")
        return self.said[before:].decode("utf-8", "replace")

    def _read(self, seconds: float) -> bool:
        if not select.select([self._line], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._line, 65536)
        except OSError:
            return False
        for query, answer in _QUERIES.items():
            if query in piece:
                os.write(self._line, answer)
        self.said += piece
        return bool(piece)
