"""Reads fwknopd.conf and its override files into one value for each variable.

In here: expansion of ``$NAME``, unknown names, which of several values counts.
Not in here: the names (fwknopd_conf_table), whether a value is one of its kind
(fwknopd_conf_verify), what they mean together (translate, translate_firewall).

Source: fwknopd server, section 3. Differences: a variable that is expanded on
its own never gets the tail of an earlier one; what was ignored in silence is
remarked on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from watchword.dialects.fwknop import fwknopd_conf_perl
from watchword.dialects.fwknop.firewall_backends import chosen, is_of_nftables
from watchword.dialects.fwknop.fwknopd_conf_table import (
    ALIASES,
    RESTRICTIONS,
    VARIABLES,
)
from watchword.dialects.fwknop.lines import (
    UNKNOWN,
    Entry,
    entries,
    shown,
    shown_file,
    shown_name,
    unreadable,
)
from watchword.dialects.fwknop.server_complaints import MOST, Complaints
from watchword.dialects.fwknop.suggest import nearest
from watchword.errors import Place
from watchword.record import record

_EXPANSION = re.compile(r"\$([A-Z_]+)(\S*)")
_LEADING_NUMBER = re.compile(r"[+-]?[0-9]+")


@record
class Value:
    """What a variable is set to, and where it says so."""

    name: str
    """As written, which may be an alias."""
    text: str
    place: Place


@record
class Values:
    """Everything that is set, under its first name; the rest has defaults."""

    given: Mapping[str, Value]
    whole: Place
    """The main file, for complaints about something that is not in it."""

    def text(self, name: str) -> str:
        """The value or the default; empty if there is neither."""
        given = self.given.get(name)
        return given.text if given else VARIABLES[name].default or ""

    def number(self, name: str) -> int:
        """The value, checked already by ``fwknopd_conf_verify``."""
        return leading_number(self.text(name))

    def flag(self, name: str) -> bool:
        given = self.given.get(name)
        if given is not None:
            return VARIABLES[name].is_on(given.text)
        return VARIABLES[name].default == "Y"

    def place(self, name: str) -> Place:
        given = self.given.get(name)
        return given.place if given else self.whole


def leading_number(text: str) -> int:
    """Digits at the front, as C reads them: ``60x`` is 60, a word is 0."""
    found = _LEADING_NUMBER.match(text)
    if found is None:
        return 0
    return int(found[0]) if len(found[0]) <= 12 else 10**12


def read(text: str, file: str, values: dict[str, Value], complaints: Complaints) -> None:
    """Add what a file sets to ``values``; what is there already is visible to ``$NAME``."""
    complaints.opened(file)
    if (wrong := unreadable(text, file)) is not None:
        complaints.add(wrong)
        return
    nonsense = 0
    for entry in _lines(text, file, values, complaints):
        name = ALIASES.get(entry.name, entry.name)
        if not entry.value or name not in VARIABLES:
            nonsense += 1
            if nonsense > MOST:
                complaints.refuse(
                    f"more than {MOST} lines make no sense, the rest is not looked at",
                    entry.place,
                    "check the path: this is hardly an fwknopd.conf",
                )
                return
            (_unknown if entry.value else _broken)(entry, complaints)
        elif (expanded := _expand(entry.value, values)) is None:
            complaints.remark(
                f"[*] Invalid embedded variable in: '{shown(entry.value)}'",
                entry.place,
                f"{entry.name} is ignored: set the variable on an earlier line of the file",
            )
        else:
            values[name] = Value(entry.name, expanded, entry.place)


def _lines(
    text: str, file: str, values: Mapping[str, Value], complaints: Complaints
) -> Iterable[Entry]:
    """What the lines say; those of a file of 1.9 as 2.6 would have them."""
    found = list(entries(text, file))
    if not fwknopd_conf_perl.is_perl(found):
        return found
    given = {name: value.text for name, value in values.items()}
    given |= {alias: given[name] for alias, name in ALIASES.items() if name in given}
    known = VARIABLES.keys() | ALIASES.keys()
    return fwknopd_conf_perl.as_modern(found, given, known, complaints)


def backend_of(values: Values) -> str:
    """The firewall that the file asks for, by whichever variable.

    FIREWALL_TYPE iptables, in a file of 1.9, gives way to what is for nftables.
    """
    kind = values.text("FIREWALL_TYPE")
    if kind == "iptables" and is_of_nftables(values.given):
        kind = ""
    return chosen(values.text("FIREWALL_BACKEND"), values.text("FIREWALL_EXE"), kind)


def _expand(text: str, values: Mapping[str, Value]) -> str | None:
    if not text.startswith("$"):
        return text
    found = _EXPANSION.match(text)
    earlier = values.get(ALIASES.get(found[1], found[1])) if found else None
    if found is None or earlier is None:
        return None
    return earlier.text + found[2]


def _broken(entry: Entry, complaints: Complaints) -> None:
    place = entry.place
    complaints.remark(
        f"*Invalid config file entry in {shown_file(place.file)} at line {place.line}.\n"
        f" - '{shown_name(entry.name)}'",
        place,
        "the line is ignored: write NAME and a value",
    )


def _unknown(entry: Entry, complaints: Complaints) -> None:
    """An unknown name: ignored, as upstream does, unless it would have restricted something."""
    meant = nearest(entry.name.rstrip(":="), (*VARIABLES, *ALIASES))
    hint = f"did you mean {meant}?" if meant else ""
    quoted = shown(entry.name) if hint else shown_name(entry.name)
    if ALIASES.get(meant or "", meant) in RESTRICTIONS:
        complaints.refuse(
            f"[*] unknown configuration parameter: '{quoted}' in {shown_file(entry.place.file)}",
            entry.place,
            f"{hint} Without it more would be open than was written",
        )
        return
    complaints.remark(
        f"[*] Ignoring unknown configuration parameter: '{quoted}' in "
        f"{shown_file(entry.place.file)}",
        entry.place,
        hint or UNKNOWN,
    )
