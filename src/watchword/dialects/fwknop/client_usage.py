"""The text of ``--help`` of fwknop and fwknop1.

In here: its lines and headings.
Not in here: the options (client_option_table, client_perl_table).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from watchword.dialects.fwknop.client_option_table import GROUPS, Group, Option
from watchword.dialects.fwknop.client_perl_table import PERL_GROUPS


def usage(version: str, *, as_perl: bool = False) -> str:
    """The text of ``--help``, with a newline at the end."""
    name, first, second = "fwknop", GROUPS, PERL_GROUPS
    if as_perl:
        name, first, second = "fwknop1", PERL_GROUPS, GROUPS
    lines = [
        f"{name} client version {version} (Watchword)",
        "Single Packet Authorization client",
        "",
        f"Usage: {name} -A <port list> [-s|-a <address>] -D <server> [options]",
        *_listed(first, frozenset(), frozenset()),
        "",
        *(_OTHERS_OF_FWKNOP1 if as_perl else _OTHERS_OF_FWKNOP),
    ]
    known = [option for group in first for option in group.options]
    letters = frozenset(option.short for option in known)
    lines += _listed(second, frozenset(option.long for option in known), letters)
    return "\n".join(lines) + "\n"


_OTHERS_OF_FWKNOP: Final = (
    "The names of fwknop 1.9 are understood, too. Where a letter or a name means one thing",
    "in 1.9 and another in 2.6 (-T, -k, -l, -r, -u, -w), it is that of 2.6 here. The command",
    "fwknop1 takes that of 1.9, and has the defaults of 1.9.",
)
_OTHERS_OF_FWKNOP1: Final = (
    "This command reads its options as fwknop 1.9 did. Names of fwknop 2.6 are understood,",
    "too, as far as they mean nothing else in 1.9. For -T, -k, -l, -r, -u and -w as in 2.6",
    "use the command fwknop.",
)


def _listed(
    groups: Sequence[Group], names: frozenset[str], letters: frozenset[str]
) -> Iterator[str]:
    """Lines about options, without names and letters that are taken."""
    for group in groups:
        shown = [option for option in group.options if option.long not in names]
        if shown:
            yield from ("", f"{group.heading}:")
            yield from (_usage_line(option, letters) for option in shown)


def _usage_line(option: Option, taken: frozenset[str]) -> str:
    usable = option.short and option.short not in taken
    short = f"-{option.short}," if usable else "   "
    name = f"{option.long} {option.placeholder}".rstrip()
    return f" {short} --{name:<31} {option.what}"
