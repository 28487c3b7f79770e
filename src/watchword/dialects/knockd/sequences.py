"""Reads knock sequences, and the TCP flags that knocks need.

In here: ``port[:protocol],...``, ``[!]flag,...``.
Not in here: files of one-time sequences (one_time), which keys hold these (door_section).

Source: knockd, section 3. Difference: a port is a number from 1 to 65535; text
without digits, an empty element and negative numbers are refused, where the
original makes some other port of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from watchword.dialects.knockd.lines import BLANKS
from watchword.model.doors import MOST_KNOCKS, Flag, FlagRule
from watchword.model.services import Proto, Service

_PORT: Final = re.compile(r"[ \t\v\f\r]*([0-9]+)(.*)", re.DOTALL)
_MOST_DIGITS: Final = 20


class SequenceError(ValueError):
    """What is wrong with a sequence, in knockd's words, and what would be right."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def sequence(text: str) -> tuple[tuple[Service, ...], Sequence[str]]:
    """The knocks of a sequence, and texts that were ignored in it. Raises SequenceError."""
    knocks: list[Service] = []
    ignored: list[str] = []
    for element in text.split(","):
        if len(knocks) == MOST_KNOCKS:
            raise SequenceError(
                "too many ports in knock sequence", f"use at most {MOST_KNOCKS} knocks"
            )
        fields = element.split(":")
        port, rest = _port(fields[0])
        knocks.append(Service(_protocol(fields), port))
        ignored += [each for each in (rest.strip(BLANKS), *fields[2:]) if each]
    return tuple(knocks), ignored


def _port(text: str) -> tuple[int, str]:
    found = _PORT.match(text)
    if found is None or len(found[1]) > _MOST_DIGITS or not 1 <= int(found[1]) <= 65535:
        raise SequenceError(
            f"port {text.strip(BLANKS)} is invalid", "write ports from 1 to 65535, with commas"
        )
    return int(found[1]), found[2]


def _protocol(fields: list[str]) -> Proto:
    if len(fields) == 1:
        return Proto.TCP
    try:
        return Proto(fields[1].strip(BLANKS).lower())
    except ValueError:
        raise SequenceError(
            "unknown protocol in knock sequence", "write tcp or udp after the colon"
        ) from None


def flag_rule(text: str) -> FlagRule:
    """The flags that a knock needs or must not have. Raises ValueError with the unknown word."""
    wanted, unwanted = Flag(0), Flag(0)
    for word in text.split(","):
        name = word.upper()
        flag = Flag.__members__.get(name.removeprefix("!"))
        if flag is None:
            raise ValueError(name)
        if name.startswith("!"):
            unwanted |= flag
        else:
            wanted |= flag
    return FlagRule(wanted, unwanted)
