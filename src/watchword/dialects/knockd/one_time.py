"""Reads and marks files of one-time sequences.

In here: which line is next, and where a line is marked as used.
Not in here: reading and writing the file (edges.one_time).

A line is a sequence. It is used up, or never counted, if it is empty or its first
visible character is ``#``. The mark takes the place of the first byte of a line,
which had better be a blank. Source: knockd, section 7. Difference: the line that
was used is the one that is marked, whatever stands before it; a line that is no
sequence is passed over and left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.knockd.lines import BLANKS
from watchword.dialects.knockd.sequences import SequenceError, sequence
from watchword.model.services import Service
from watchword.record import record

MARK: Final = b"#"


@record
class Found:
    """The next sequence of a file."""

    sequence: tuple[Service, ...]
    """Empty: there is none left."""
    puzzles: tuple[tuple[int, str], ...] = ()
    """Lines before it that are no sequences, with what is wrong."""


def next_sequence(content: bytes) -> Found:
    """The first sequence that is not used up."""
    puzzles = []
    for number, line in _active(content):
        try:
            knocks, _ = sequence(_text(line))
        except SequenceError as error:
            puzzles.append((number, str(error)))
        else:
            return Found(knocks, tuple(puzzles))
    return Found((), tuple(puzzles))


def place_of_mark(content: bytes, used: tuple[Service, ...]) -> int | None:
    """The offset of the byte that becomes the mark for a sequence that was used.

    It is the first line with this sequence; None: there is none.
    """
    starts = [0]
    for line in content.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    for number, line in _active(content):
        try:
            knocks, _ = sequence(_text(line))
        except SequenceError:
            continue
        if knocks == used:
            return starts[number - 1]
    return None


def _active(content: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        bare = line.strip(BLANKS.encode("ascii"))
        if bare and not bare.startswith(MARK):
            yield number, line


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").strip(BLANKS)
