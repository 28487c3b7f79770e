"""A door while its section is read: what was given so far, and complaints about it.

In here: the draft, and values that several of its keys have in common.
Not in here: the keys (door_section, door_care).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from watchword.dialects.knockd.lines import BLANKS, Directive, Section, complaint
from watchword.errors import Complaint, Place
from watchword.model.crypto import Secret
from watchword.model.doors import Care, FlagRule
from watchword.model.services import Service

SEQ_TIMEOUT: Final = 25
CMD_TIMEOUT: Final = 10
KNOCKS: Final = 4
"""Of a sequence that follows from a secret."""
EVERY: Final = 30
"""Seconds between two such sequences."""
_NUMBER: Final = re.compile(r"(-?[0-9]{1,9})(.*)", re.DOTALL)
_ANY: Final = FlagRule()
_NO_CARE: Final = Care()


@dataclass(slots=True)
class Draft:
    """A door as far as it was read."""

    section: Section
    complaints: list[Complaint]
    sequence: tuple[Service, ...] = ()
    is_knocked: bool = False
    """Something says what is to be knocked, rightly or not."""
    one_time: str | None = None
    seq_timeout: int = SEQ_TIMEOUT
    cmd_timeout: int = CMD_TIMEOUT
    flags: FlagRule = _ANY
    target: str | None = None
    commands: dict[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    closed: tuple[Service, ...] = ()
    shell: bool = False
    syslog: bool = False
    opens: Place | None = None
    care: Care = _NO_CARE
    secret: Secret | None = None
    knocks: int = KNOCKS
    every: int = EVERY
    kernel: Place | None = None
    """Where it is asked for that the kernel follows the door."""

    def refuse(self, place: Place, what: str, hint: str) -> None:
        self.complaints.append(complaint(place, what, hint))

    def refuse_section(self, what: str, hint: str) -> None:
        self.complaints.append(
            Complaint(f"config: section {self.section.name}: {what}", self.section.place, hint)
        )

    def remark(self, place: Place, what: str, hint: str) -> None:
        self.complaints.append(complaint(place, what, hint, fatal=False))


Read: TypeAlias = Callable[[Draft, Directive, str], None]
"""Takes one key with its value into the draft."""


def whole_number(draft: Draft, directive: Directive, value: str) -> int | None:
    """A number, as C reads it: what stands behind is remarked on. None: there is none."""
    found = _NUMBER.match(value)
    if found is None:
        draft.refuse(directive.place, f"{value!r} is no number", "write seconds, such as 10")
        return None
    if rest := found[2].strip(BLANKS):
        draft.remark(directive.place, f"{rest!r} is ignored", "write seconds, and nothing else")
    return int(found[1])


def services(draft: Draft, directive: Directive, value: str) -> tuple[Service, ...]:
    """A list of services without repeats; empty after a complaint."""
    try:
        found = tuple(Service.parse(each.strip(BLANKS)) for each in value.split(","))
    except ValueError as error:
        draft.refuse(directive.place, str(error), "write services such as tcp/22,udp/53")
        return ()
    return tuple(dict.fromkeys(found))


def yes_or_no(directive: Directive, value: str, complaints: list[Complaint]) -> bool:
    """A switch of our own; what is neither yes nor no is complained about."""
    known = {"yes": True, "no": False}
    if value.lower() not in known:
        complaints.append(
            complaint(directive.place, f"{value!r} is neither yes nor no", "write yes or no")
        )
    return known.get(value.lower(), False)
