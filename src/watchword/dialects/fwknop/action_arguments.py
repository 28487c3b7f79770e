"""The arguments of a named action: how each is described, and where it goes.

In here: the value of an ACTION_ARGUMENT line; the variables in a word of ACTION_RUN.
Not in here: the other lines, and who complains where (actions_conf), what callers say
(grant.actions).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from watchword.dialects.fwknop.lines import shown
from watchword.model.actions import Argument, Kind, Piece

_ARGUMENT: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_VARIABLE: Final = re.compile(r"\$(?:(\$)|\{(\w*)\}|(\w*))", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
HOW: Final = (
    "write a name in capitals and address, ipv4, ipv6, port, number LOW HIGH, one-of A B or "
    "word REGEX"
)


class UnfitError(ValueError):
    """An argument that is not described as it has to be; the message says how."""


def argument(text: str) -> Argument:
    """What follows ACTION_ARGUMENT: a name, a kind and what the kind needs. Raises UnfitError."""
    name, *more = text.split(maxsplit=2)
    if not _ARGUMENT.fullmatch(name):
        raise UnfitError(f"'{shown(name)}' is no name in capitals")
    kind = more[0] if more else ""
    rest = more[1].strip() if len(more) > 1 else ""
    if kind not in tuple(Kind):
        raise UnfitError(f"{name}: '{shown(kind)}' is no kind of argument")
    match Kind(kind):
        case Kind.NUMBER:
            return _number(name, rest)
        case Kind.CHOICE if rest:
            return Argument(name, Kind.CHOICE, choices=tuple(rest.split()))
        case Kind.WORD if rest:
            return Argument(name, Kind.WORD, pattern=_pattern(name, rest))
        case Kind.PORT if not rest:
            return Argument(name, Kind.PORT, 1, 65535)
        case Kind.ADDRESS | Kind.IPV4 | Kind.IPV6 if not rest:
            return Argument(name, Kind(kind))
        case _:
            raise UnfitError(f"{name}: what follows {kind} does not fit")


def _number(name: str, rest: str) -> Argument:
    limits = rest.split()
    if len(limits) != 2 or not all(map(_INTEGER.fullmatch, limits)):
        raise UnfitError(f"{name}: a number has two limits")
    low, high = map(int, limits)
    if low > high:
        raise UnfitError(f"{name}: no number is from {low} to {high}")
    return Argument(name, Kind.NUMBER, low, high)


def _pattern(name: str, text: str) -> str:
    try:
        re.compile(text)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise UnfitError(f"{name}: that is no regular expression: {error}") from None
    return text


def pieces(word: str, known: Mapping[str, Argument]) -> tuple[Piece, ...]:
    """A word of ACTION_RUN with its variables; ``$$`` is a dollar.

    Raises ValueError: a variable is none of the action's.
    """
    found: list[Piece] = []
    at = 0
    for variable in _VARIABLE.finditer(word):
        name = variable[2] or variable[3] or ""
        if not variable[1] and name not in known:
            raise ValueError(f"${shown(name)} is no ACTION_ARGUMENT of this action")
        found += [word[at : variable.start()], variable[1] or known[name]]
        at = variable.end()
    found.append(word[at:])
    return tuple(each for each in found if each != "") or ("",)
