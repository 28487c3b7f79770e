"""Splits knockd.conf into sections and their directives.

In here: lines, headers, keys and values as they are written.
Not in here: what a key means (options_section, door_section).

Source: knockd, section 3. Differences: a line that is too long is refused whole,
and so is a name that would be cut; a NUL is no part of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from watchword.errors import Complaint, Place
from watchword.record import record

BLANKS: Final = " \t\n\v\f\r"
LONGEST_LINE: Final = 4095
LONGEST_NAME: Final = 127
OPTIONS: Final = "options"


@record
class Directive:
    key: str
    """In lower case."""
    value: str | None
    """None: there was no ``=``."""
    place: Place


@dataclass(frozen=True, slots=True)
class Section:
    """A header and what stands below it, up to the next header."""

    name: str
    place: Place
    directives: list[Directive] = field(default_factory=list)

    @property
    def is_door(self) -> bool:
        return self.name != OPTIONS


def complaint(place: Place, what: str, hint: str, *, fatal: bool = True) -> Complaint:
    """A complaint in knockd's words: it names the line, and not the file."""
    return Complaint(f"config: line {place.line}: {what}", place, hint, fatal)


def sections(text: str, file: str, complaints: list[Complaint]) -> list[Section]:
    """Every section of a file, in order. What cannot be read is complained about."""
    found: list[Section] = []
    for number, line in _lines(text):
        place = Place(file, number)
        if len(line) > LONGEST_LINE or "\0" in line:
            complaints.append(
                complaint(place, "syntax error", f"write at most {LONGEST_LINE} bytes of text")
            )
        elif line[0] == "[" and line[-1] == "]":
            found.append(_header(line[1:-1], place, complaints))
        elif not found:
            complaints.append(
                complaint(
                    place,
                    "all directives must belong to a section",
                    "put a line such as [options] or [openSSH] above it, with nothing behind it",
                )
            )
        else:
            key, equals, value = line.partition("=")
            found[-1].directives.append(
                Directive(key.strip(BLANKS).lower(), value.strip(BLANKS) if equals else None, place)
            )
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip(BLANKS)
        if bare and not bare.startswith("#"):
            yield number, bare


def _header(name: str, place: Place, complaints: list[Complaint]) -> Section:
    if not name:
        complaints.append(complaint(place, "bad section name", "write a name into the brackets"))
    elif len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        complaints.append(
            complaint(place, "bad section name", f"use at most {LONGEST_NAME} bytes for a name")
        )
    elif name.lower() == OPTIONS and name != OPTIONS:
        complaints.append(
            complaint(
                place,
                f"[{name}] is taken for a door",
                "write [options] in small letters if that is meant",
                fatal=False,
            )
        )
    return Section(name, place)
