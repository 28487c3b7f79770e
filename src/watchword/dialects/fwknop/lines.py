"""Splits fwknopd.conf and access.conf into entries, and keeps their places.

In here: what is a comment, where a value ends, what is no text at all, and how
an operator's words are quoted in a message.
Not in here: which names exist (fwknopd_conf_table, access_conf_table), what
values mean.

Text is expected as ``open(..., encoding="utf-8", errors="surrogateescape",
newline="")`` gives it, so that a passphrase in another encoding survives.
Lines end at LF only; a CR before it is dropped. Source: fwknopd server,
section 3.1; access.conf, section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from watchword.errors import Complaint, Place
from watchword.record import record

MAX_CHARACTERS = 8 * 1024 * 1024  # ten thousand stanzas need about three
# Control characters, and halves of UTF-16 pairs that no decoder leaves behind.
_BINARY = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
# Capitals, or several words: what else stands alone on a line may be a passphrase.
_NAME = re.compile(r"%?[A-Z][A-Z0-9_]*|%?[A-Za-z]+(_[A-Za-z0-9]+)+|%[a-z]+")
_LONGEST_NAME = 40  # characters
_QUOTED = 80  # characters of somebody's value that a message repeats
_LONGEST_PATH = 4096  # characters of a path, on Linux


@record
class Entry:
    """One line that says something. The value may be a key and is not shown."""

    name: str
    value: str
    """Without blanks at either end; empty: the line is broken."""
    place: Place
    line: str = ""
    """All of it, if it has a semicolon; else empty. fwknop 1.9 reads on behind the first one."""

    def __repr__(self) -> str:
        return f"Entry(name={self.name!r}, place={self.place!r})"


def unreadable(text: str, file: str) -> Complaint | None:
    """What makes this no configuration file at all, so that nobody looks further into it."""
    if len(text) > MAX_CHARACTERS:
        return Complaint(
            f"{file} is larger than {MAX_CHARACTERS // 1024 // 1024} MiB",
            Place(file, 0),
            "check the path: this is hardly a configuration file",
        )
    found = _BINARY.search(text)
    if found is None:
        return None
    return Complaint(
        f"the byte 0x{ord(found[0]):02x} does not belong into a text file",
        Place(file, text.count("\n", 0, found.start()) + 1),
        "check the path: this is hardly a configuration file",
    )


UNKNOWN: Final = "correct the name, or remove the line"
"""What to do about a name that nobody knows, and that is like no other."""


def entries(text: str, file: str) -> Iterator[Entry]:
    """Yield what the lines say, in order, comments and empty lines left out."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        said = line.lstrip(" \t\r")
        if not said or said[0] in "#;":
            continue
        whole = said.partition("\r")[0]
        content, semicolon, _ = whole.partition(";")
        name, *rest = content.split(maxsplit=1) or [""]
        value = rest[0].strip() if rest else ""
        yield Entry(name, value, Place(file, number), whole if semicolon else "")


def shown(text: str, most: int = _QUOTED) -> str:
    """The operator's words, safe to print: no control characters, not endless."""
    cut = text if len(text) <= most else f"{text[:most]}..."
    return "".join(each if each.isprintable() else "?" for each in cut)


def shown_file(path: str) -> str:
    """The same for the name of a file: whole, or it would not be found by it."""
    return shown(path, _LONGEST_PATH)


def not_opened(kind: str, path: str) -> str:
    """A file that is not there, in the words of fwknopd 2.6.10, then in those of 2.6.11."""
    name = shown_file(path)
    older = f"[*] {kind} file: '{name}' was not found."
    return f"{older}\n[*] Could not open {kind.lower()} file: {name}"


def data_error(said: str, file: str) -> str:
    """What is wrong with a stanza as a whole, with the line that fwknopd ends such messages by."""
    return f"{said}\n[*] Data error in access file: '{shown_file(file)}'"


def shown_name(name: str) -> str:
    """A name to quote. What does not look like one may be half of a key, and is not shown."""
    fits = len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)
    return name if fits else "(not shown)"
