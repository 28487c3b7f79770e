"""Command lines of knockd and knock: option tables, splitting, the list for people.

In here: what both programs share. Not in here: their options (daemon_options, client_options).
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from typing import Final

from watchword.errors import OperatorError
from watchword.record import record

VERSION: Final = "0.8"
"""Of the originals that ours stand in for; scripts ask."""


@record
class Option:
    short: str
    """One letter, or empty."""
    long: str
    value: str
    """What its value is called; empty: it has none."""
    what: str


class UsageError(OperatorError):
    """The command line cannot be read; the usage text is what helps."""


def split(
    argv: Sequence[str], options: Sequence[Option]
) -> tuple[list[tuple[Option, str]], list[str]]:
    """Options with their values, in order, and the other words. Raises UsageError.

    As ``getopt_long`` does it: words stand anywhere, names may be shortened.
    """
    letters = "".join(each.short + (":" if each.value else "") for each in options if each.short)
    names = [each.long + ("=" if each.value else "") for each in options]
    try:
        pairs, rest = getopt.gnu_getopt(list(argv), letters, names)
    except getopt.GetoptError as error:
        raise UsageError(error.msg, hint="see the list of options") from None
    known = {f"-{each.short}": each for each in options}
    known |= {f"--{each.long}": each for each in options}
    return [(known[name], value) for name, value in pairs], rest


def listed(options: Sequence[Option], width: int) -> str:
    """One line for each option."""
    text = ""
    for each in options:
        short = f"-{each.short}, " if each.short else "    "
        value = f" <{each.value}>" if each.value else ""
        text += f"  {f'{short}--{each.long}{value}':<{width}} {each.what}\n"
    return text


def version(program: str, ours: str) -> str:
    """Two lines, the first as the original has it."""
    return f"{program} {VERSION}\nWatchword {ours}\n"
