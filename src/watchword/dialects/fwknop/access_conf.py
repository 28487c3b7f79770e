"""Reads access.conf and everything it includes into stanzas, as they were written.

In here: where a stanza begins and ends, the include directives, unknown names.
Not in here: what the lines of a stanza mean (access_conf_stanza).

Work is bounded: three levels, a number of files, a sum of characters. Source:
access.conf, sections 1 to 3, 5 and 6. Differences: a misspelt restriction
(``REQUIRE_USERNAM root``) is fatal, because without it the stanza would let in
more than was written; folders are read in order of name, ``.conf`` only; a
stanza that loses its key file keeps its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from watchword.dialects.fwknop.access_conf_perl_table import spelled_out
from watchword.dialects.fwknop.access_conf_table import (
    ALIASES,
    IN_KEY_FILES,
    INCLUDES,
    KNOWN,
    RESTRICTIONS,
)
from watchword.dialects.fwknop.lines import (
    MAX_CHARACTERS,
    UNKNOWN,
    Entry,
    entries,
    not_opened,
    shown,
    shown_file,
    shown_name,
    unreadable,
)
from watchword.dialects.fwknop.server_complaints import MOST, Complaints
from watchword.dialects.fwknop.suggest import nearest
from watchword.errors import HostError, OperatorError, Place
from watchword.model.addresses import Network

_LEVELS = 3  # the main file and two below it
_FILES = 20_000  # files read in one load, key files among them
_CHARACTERS = 4 * MAX_CHARACTERS  # of all files of one load together


@dataclass(slots=True)
class Stanza:
    """The lines from one SOURCE to the next."""

    number: int
    """1-based, in load order."""
    source: Entry
    given: dict[str, Entry] = field(default_factory=dict)
    """The last line of each name, SOURCE left out, in the order in which they were set."""
    key_file: Place | None = None
    """The ``%include_keys`` line, if there is one. Such a file may be a user's,
    and a mistake in it disables the stanza and nothing else."""
    key_path: str = ""
    """That file; empty: there is none."""
    dead: str = ""
    """Why the stanza is out of use; empty: it is in use."""
    knocks: bool = False
    """It is knocked at, and no packet is for it (access_conf_perl)."""
    perl: bool = False
    """It is one of fwknop 1.9, and has been translated (access_conf_perl)."""
    source_optional_from: tuple[Network, ...] = ()
    """Who may ask for the address he came from, although REQUIRE_SOURCE_ADDRESS is on."""

    def note(self, name: str, entry: Entry) -> None:
        self.given.pop(name, None)
        self.given[name] = entry

    def last_of(self, *names: str) -> Entry | None:
        """Of several names for one thing, the line that was set last."""
        found = [entry for name, entry in self.given.items() if name in names]
        return found[-1] if found else None


class _EnoughError(Exception):
    """The rest of the files is not worth looking at; the reason is among the complaints."""


class AccessFiles:
    """Follows access files and their includes; ``stanzas`` is what was found."""

    def __init__(
        self,
        read: Callable[[str], str],
        list_folder: Callable[[str], Sequence[str]],
        complaints: Complaints,
    ) -> None:
        self._read = read
        self._list_folder = list_folder
        self._complaints = complaints
        self._files = 0
        self._characters = 0
        self._unknown: set[str] = set()
        self.stanzas: list[Stanza] = []

    def load_file(self, file: str, place: Place) -> None:
        """Read one file and what it includes. ``place`` is what names the file."""
        try:
            self._include(file, place, 1)
        except _EnoughError:
            return

    def load_folder(self, folder: str, place: Place) -> None:
        """Read every ``*.conf`` of a folder, in order of name, and what they include."""
        try:
            self._include_folder(folder, place, 1)
        except _EnoughError:
            return

    def _include(self, file: str, place: Place, level: int) -> None:
        for written in self._entries(file, place) or ():
            entry = spelled_out(written, self.stanzas[-1].source if self.stanzas else None)
            if not entry.value:
                self._complaints.refuse(*_broken(entry))
            elif entry.name in INCLUDES:
                self._follow(entry, level)
            else:
                self._take(entry)

    def _include_folder(self, folder: str, place: Place, level: int) -> None:
        try:
            names = sorted(self._list_folder(folder))
        except (OperatorError, HostError) as error:
            self._complaints.refuse(
                f"[*] Access folder: '{shown_file(folder)}' could not be opened.",
                place,
                shown_file(str(error)),
            )
            return
        for name in names:
            if name.endswith(".conf"):
                self._include(f"{folder.rstrip('/')}/{name}", place, level)

    def _follow(self, entry: Entry, level: int) -> None:
        if entry.name == "%include_keys":
            self._include_keys(entry)
        elif level >= _LEVELS:
            self._complaints.refuse(
                f"[*] Refusing to go deeper than {_LEVELS} levels. "
                f"Lost in Limbo: '{shown_file(entry.place.file)}'",
                entry.place,
                "include the file from one further up",
            )
        elif entry.name == "%include":
            self._include(entry.value, entry.place, level + 1)
        else:
            self._include_folder(entry.value, entry.place, level + 1)

    def _include_keys(self, directive: Entry) -> None:
        if not self.stanzas:
            self._complaints.refuse(
                "%include_keys stands before the first SOURCE", directive.place, "move it below"
            )
            return
        stanza = self.stanzas[-1]
        stanza.key_file, stanza.key_path = directive.place, directive.value
        found = self._entries(directive.value, directive.place, stanza)
        for entry in found or ():
            if not entry.value:
                stanza.dead = _broken(entry)[0]
            elif entry.name in IN_KEY_FILES:
                stanza.note(entry.name, entry)
            else:
                self._complaints.remark(
                    f"Ignoring invalid entry: '{shown_name(entry.name)}'",
                    entry.place,
                    "a key file holds keys and GPG settings",
                )

    def _entries(
        self, file: str, place: Place, stanza: Stanza | None = None
    ) -> Iterator[Entry] | None:
        """What a file says. None if it cannot be read, which only disables a given stanza."""
        self._count(place)
        try:
            text = self._read(file)
        except (OperatorError, HostError) as error:
            missing = not_opened("Access", file)
            if stanza is not None:
                stanza.dead = missing
            else:
                self._complaints.refuse(missing, place, shown_file(str(error)))
            return None
        self._characters += len(text)
        self._complaints.opened(file)
        if (wrong := unreadable(text, file)) is None:
            return entries(text, file)
        if stanza is not None:
            stanza.dead = str(wrong)
        else:
            self._complaints.add(wrong)
        return None

    def _count(self, place: Place) -> None:
        self._files += 1
        if self._complaints.hopeless:
            raise _EnoughError
        if self._files > _FILES or self._characters > _CHARACTERS:
            self._complaints.refuse(
                "too much is included, the rest is not looked at",
                place,
                "look for files that include each other",
            )
            raise _EnoughError

    def _take(self, entry: Entry) -> None:
        name = entry.name.removesuffix(":")
        name = ALIASES.get(name, name)
        if name == "SOURCE":
            self.stanzas.append(Stanza(len(self.stanzas) + 1, entry))
        elif name not in KNOWN:
            self._stumble(name, entry.place)
        elif self.stanzas:
            self.stanzas[-1].note(name, entry)
        else:
            self._complaints.remark(
                f"{name} stands before the first SOURCE and is ignored",
                entry.place,
                "move it below the SOURCE of the stanza that it is for",
            )

    def _stumble(self, name: str, place: Place) -> None:
        """An unknown name: ignored, as upstream does, unless it would have restricted something."""
        self._unknown.add(name)
        if len(self._unknown) > MOST:
            self._complaints.refuse(
                f"more than {MOST} names are unknown, the rest is not looked at",
                place,
                "check the path: this is hardly an access.conf",
            )
            raise _EnoughError
        meant = nearest(name, KNOWN)
        hint = f"did you mean {meant}?" if meant else ""
        quoted = shown(name) if meant else shown_name(name)
        if meant in RESTRICTIONS:
            self._complaints.refuse(
                f"[*] unknown access parameter: '{quoted}' in {shown_file(place.file)}",
                place,
                f"{hint} Without it the stanza would allow more than was written",
            )
        else:
            self._complaints.remark(
                f"[*] Ignoring unknown access parameter: '{quoted}' in {shown_file(place.file)}",
                place,
                hint or UNKNOWN,
            )


def _broken(entry: Entry) -> tuple[str, Place, str]:
    file, line = entry.place.file, entry.place.line
    return (
        f"[*] Invalid access file entry in {shown_file(file)} at line {line}.\n"
        f" - '{shown_name(entry.name)}'",
        entry.place,
        "write NAME and a value, or begin the line with #",
    )
