"""Reads the file of named sequences, ~/.knockrc.

In here: its sections and keys. Not in here: lines (lines), sending.

It is of our own, in the style of knockd.conf::

    [home]
    host     = gate.example.org
    sequence = 7000,8000:udp,9000@250
    delay    = 50

In place of ``sequence``, ``one_time_sequences`` names a file as knockd has it; each
run uses the next line and marks it. Or ``secret``, with ``knocks`` and ``every``, is
that of the door: the sequence follows from it and the time.
"""

from __future__ import annotations

from typing import Final

from watchword.dialects.knockd.client_options import Hit, hit
from watchword.dialects.knockd.door_care import FEWEST, LONGEST, MOST, SHORTEST, secret
from watchword.dialects.knockd.door_draft import EVERY, KNOCKS
from watchword.dialects.knockd.lines import BLANKS, Directive, Section, complaint, sections
from watchword.errors import Complaint, OperatorError, Place
from watchword.model.doors import Rotation
from watchword.record import record

FILE: Final = ".knockrc"


@record
class NamedSequence:
    """One section."""

    host: str = ""
    hits: tuple[Hit, ...] = ()
    one_time: str | None = None
    """File that the hits are taken from."""
    rotation: Rotation | None = None
    """What the hits follow from."""
    delay: int | None = None
    """Milliseconds."""
    family: int | None = None


def named(text: str, file: str, name: str) -> NamedSequence:
    """The sequence of that name. Raises OperatorError."""
    complaints: list[Complaint] = []
    found = [each for each in sections(text, file, complaints) if each.name == name]
    if complaints:
        raise OperatorError.of(complaints)
    if not found:
        raise OperatorError(
            f"there is no sequence {name!r}", place=Place(file, 0), hint=f"add a section [{name}]"
        )
    return _read(found[-1])


def _read(section: Section) -> NamedSequence:
    values: dict[str, Directive] = {}
    for each in section.directives:
        if each.key not in _KEYS or not each.value:
            hint = f"the keys are {', '.join(_KEYS)}, each with = and a value"
            raise OperatorError.of([complaint(each.place, "syntax error", hint)])
        values[each.key] = each
    if len(values.keys() & set(_WHAT)) != 1:
        hint = f"give it one of {', '.join(_WHAT)}"
        raise OperatorError(f"[{section.name}] has no sequence", place=section.place, hint=hint)
    text = {key: each.value or "" for key, each in values.items()}
    return NamedSequence(
        host=text.get("host", ""),
        hits=_hits(values["sequence"]) if "sequence" in values else (),
        one_time=text.get("one_time_sequences"),
        rotation=_rotation(values) if "secret" in values else None,
        delay=_delay(values["delay"]) if "delay" in values else None,
        family=_family(values["family"]) if "family" in values else None,
    )


def _hits(directive: Directive) -> tuple[Hit, ...]:
    try:
        return tuple(hit(each.strip(BLANKS)) for each in (directive.value or "").split(","))
    except OperatorError as error:
        first = error.complaints[0]
        raise OperatorError(first.message, place=directive.place, hint=first.hint) from None


def _rotation(values: dict[str, Directive]) -> Rotation:
    directive = values["secret"]
    try:
        found = secret(directive.value or "")
    except ValueError as error:
        hint = "copy it from the door in the server's knockd.conf"
        raise OperatorError(str(error), place=directive.place, hint=hint) from None
    knocks = _number(values.get("knocks"), KNOCKS, FEWEST, MOST)
    every = _number(values.get("every"), EVERY, SHORTEST, LONGEST)
    return Rotation(found, knocks, every)


def _number(directive: Directive | None, default: int, least: int, most: int) -> int:
    value = directive.value if directive is not None and directive.value else str(default)
    plain = value.isascii() and value.isdecimal() and len(value) < 9
    if not plain or not least <= int(value) <= most:
        place = directive.place if directive is not None else None
        hint = f"write {least} to {most}, as the server has it"
        raise OperatorError(f"{value!r} is out of range", place=place, hint=hint)
    return int(value)


def _delay(directive: Directive) -> int:
    value = directive.value or ""
    if not (value.isascii() and value.isdecimal() and len(value) < 9):
        raise OperatorError(
            f"{value!r} is no delay", place=directive.place, hint="write milliseconds, such as 250"
        )
    return int(value)


def _family(directive: Directive) -> int:
    if directive.value not in ("4", "6"):
        raise OperatorError(
            f"family is {directive.value!r}", place=directive.place, hint="write 4 or 6"
        )
    return int(directive.value)


_WHAT: Final = ("sequence", "one_time_sequences", "secret")
_KEYS: Final = ("host", *_WHAT, "knocks", "every", "delay", "family")
