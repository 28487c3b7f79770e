"""The audit journal: entries in a chain, so that what was changed or taken out shows.

In here: an entry as a line and back, the place in the chain, and what is wrong with a journal.
Not in here: which events are entries (dialects.fwknop.audit_events), files (edges.audit).

A line is compact JSON: ``seq``, ``prev``, what happened, and ``hash`` at its end. ``hash`` is
the SHA-256 of the line up to ``,"hash"``; ``prev`` is the hash of the entry before. There is no
key: whoever may write the file may make a chain anew, but not one that ends as the last anchor
says, which was kept elsewhere (docs/audit.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from watchword.record import record

LONGEST: Final = 65_536  # bytes of a line
_encode = json.JSONEncoder(separators=(",", ":")).encode
_MARK: Final = b',"hash":"'
_LINE = re.compile(rb'(\{"seq":(\d{1,15}),"prev":"([0-9a-f]{64})",.*),"hash":"([0-9a-f]{64})"\}')
_ANCHOR = re.compile(r"Audit journal: (\d{1,15}) entries, last ([0-9a-f]{64})")
_HEAD = re.compile(rb"(\d{15}) ([0-9a-f]{64})\n")
ROTATED: Final = "rotated"
_CONFESSIONS: Final = {
    "tampered": "here the daemon found that the end of the journal had been changed",
    "lost": "here the daemon could not write entries down",
}


@record
class Link:
    """A place in the chain."""

    seq: int
    hash: str

    @classmethod
    def of_head(cls, octets: bytes) -> Link | None:
        """What ``head`` made; None if it is none."""
        found = _HEAD.fullmatch(octets)
        return cls(int(found[1]), found[2].decode("ascii")) if found else None

    @property
    def head(self) -> bytes:
        """Of the same length wherever the chain ends, so that it can be written in place."""
        return f"{self.seq:015} {self.hash}\n".encode("ascii")


START: Final = Link(0, "0" * 64)


def entry(what: Mapping[str, Any], after: Link) -> tuple[bytes, Link]:
    """A line with its newline, and the place it has. ``what`` has none of our three names."""
    text = _encode({"seq": after.seq + 1, "prev": after.hash, **what})[:-1].encode("ascii")
    digest = hashlib.sha256(text).hexdigest()
    line = b"".join((text, _MARK, digest.encode("ascii"), b'"}\n'))
    return line, Link(after.seq + 1, digest)


def place(line: bytes) -> Link | None:
    """What a line says its place is, unverified; None if it is no entry."""
    found = _LINE.fullmatch(line.rstrip(b"\n"))
    return Link(int(found[2]), found[4].decode("ascii")) if found else None


def anchors(text: Iterable[str]) -> dict[int, set[str]]:
    """Every anchor in lines of a log: number of the last entry, and its hash."""
    found: dict[int, set[str]] = {}
    for line in text:
        for seq, digest in _ANCHOR.findall(line):
            found.setdefault(int(seq), set()).add(digest)
    return found


@record
class Flaw:
    """The first thing that is wrong with a journal."""

    what: str
    file: str = ""
    """Empty: it is not about one line."""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.file else self.what


@dataclass(slots=True)
class Examination:
    """Goes through a journal, line by line, until there is a flaw."""

    anchors: Mapping[int, set[str]] = field(default_factory=dict)
    first: int = 0
    """Number of the first entry; 0: there is none."""
    last: Link = START
    flaw: Flaw | None = None
    anchored: int = 0
    """Anchors that fit."""
    unfinished: bool = False
    """The last line has no end: it is being written, or never was to its end."""
    _kept_from: int = 1

    def look_at(self, lines: Iterable[tuple[str, int, bytes]]) -> None:
        """Lines with file and number, in order, each with its newline if it has one."""
        for file, number, line in lines:
            if self.unfinished:
                self.flaw = Flaw("a line before this one has no end", file, number)
                return
            if not line.endswith(b"\n"):
                self.unfinished = True
            elif what := self._wrong(line):
                self.flaw = Flaw(what, file, number)
                return

    def end(self, head: Link | None) -> None:
        """Compare the end with what the daemon noted beside the journal, before it was read."""
        if self.flaw is not None:
            return
        newest = max(self.anchors, default=0)
        if head is None:
            if self.first or newest:
                self.flaw = Flaw("the note of how far the journal goes (audit.head) is missing")
        elif head.seq > self.last.seq:
            self.flaw = Flaw(_cut(self.last.seq, head.seq))
        if self.flaw is None and newest > self.last.seq:
            self.flaw = Flaw(_cut(self.last.seq, newest))
        if self.flaw is None and self.first > self._kept_from:
            gone = f"entries {self._kept_from} to {self.first - 1}"
            self.flaw = Flaw(f"{gone} are missing: older files were taken away")

    def _wrong(self, line: bytes) -> str:
        """Go one entry further; what is wrong with it, if anything."""
        found = _LINE.fullmatch(line[:-1]) if len(line) <= LONGEST else None
        if found is None:
            return "this is no entry: the line was changed, or is not ours"
        seq, before, digest = int(found[2]), found[3].decode("ascii"), found[4].decode("ascii")
        if hashlib.sha256(found[1]).hexdigest() != digest:
            return f"entry {seq} was changed: its hash does not fit"
        what = _what(line)
        if what is None:
            return f"entry {seq} is no JSON"
        if wrong := self._out_of_place(seq, before, str(what.get("event"))):
            return wrong
        if expected := self.anchors.get(seq):
            if expected != {digest}:
                return f"entry {seq} is not the one that the log has an anchor of"
            self.anchored += 1
        self.first = self.first or seq
        self.last = Link(seq, digest)
        if what.get("event") == ROTATED and isinstance(what.get("kept_from"), int):
            self._kept_from = what["kept_from"]
        return _CONFESSIONS.get(str(what.get("event")), "")

    def _out_of_place(self, seq: int, before: str, event: str) -> str:
        if not self.first and event == ROTATED:
            return ""  # whether earlier ones should be there, a later entry says
        if seq > self.last.seq + 1:
            missing = f"entries {self.last.seq + 1} to {seq - 1}"
            return f"{missing} are missing before this one"
        if seq <= self.last.seq:
            return f"entry {seq} is out of its order"
        if before != self.last.hash:
            return f"entry {seq} does not follow the one before it"
        return ""


def _what(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _cut(last: int, known: int) -> str:
    return f"the journal ends with entry {last}, and {known} were written: its end was cut off"


def shown(line: bytes) -> str:
    """An entry for a person: number, time, what happened, and the rest as it is."""
    what = _what(line)
    if what is None:
        return "(no entry)"
    for name in ("prev", "hash"):
        what.pop(name, None)
    front = [str(what.pop(name, "?")) for name in ("seq", "time", "event")]
    return printable(" ".join((*front, *_pairs(what))))


def printable(text: str) -> str:
    """A line that does nothing to a terminal, whatever somebody wrote into the journal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _pairs(what: Mapping[str, Any]) -> Iterator[str]:
    for name, value in what.items():
        text = value if isinstance(value, str) and value.isalnum() else _encode(value)
        yield f"{name}={text}"
