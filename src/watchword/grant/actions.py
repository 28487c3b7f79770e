"""Turns what a caller says into one run of an action of the operator's.

In here: which action is meant, and whether each argument is of its kind.
Not in here: whether the stanza lists the action (decide), matching regular expressions, which
can take for ever (edges.patterns), running (service.daemon.hand).

All of it is looked at before anything is run. A value goes into the program's words in its one
canonical form, whatever the caller wrote, and none begins with a dash that the operator did not
allow, so that none is taken for an option. Nothing that a caller wrote is in a message: it may
be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from watchword.grant.commands import words
from watchword.model.actions import Action, Argument, Kind, Piece
from watchword.model.commands import Check, Job
from watchword.model.outcomes import Refusal
from watchword.model.reasons import Reason

LONGEST: Final = 255  # characters of one argument
_DIGITS: Final = 20  # of a number; the operator's limits have no more

Value: TypeAlias = str


class UnfitError(ValueError):
    """What the caller says does not fit the action; the message does not quote it."""


def named(actions: Sequence[Action], command: str) -> Action | None:
    """The action that a command message asks for by its first word; None: it names none."""
    first, *_ = command.split(maxsplit=1) or [""]
    return next((each for each in actions if each.name == first), None)


def job(action: Action, command: str) -> Job:
    """What is to be run, and what has to match before.

    Raises UnfitError: the arguments are too few, too many or not what they should be.
    """
    try:
        return _fitted(action, command)
    except UnfitError as error:
        raise UnfitError(f"{action.usage}: {error}") from None


def _fitted(action: Action, command: str) -> Job:
    if "\0" in command:
        raise UnfitError("it has a NUL in it")
    try:
        _, *said = words(command)
    except ValueError as error:
        raise UnfitError(str(error)) from None
    if len(said) != len(action.arguments):
        raise UnfitError(f"{len(said)} arguments where there should be {len(action.arguments)}")
    values = {
        argument.name: _value(argument, text)
        for argument, text in zip(action.arguments, said, strict=True)
    }
    checks = tuple(
        Check(argument.pattern, values[argument.name], argument.name)
        for argument in action.arguments
        if argument.kind is Kind.WORD
    )
    argv = tuple(_filled(each, values) for each in action.words)
    return Job(argv, action.account, action.seconds, checks)


def not_allowed(stanza: int, argument: str) -> Refusal:
    """What is said of a check that failed.

    ``argument``: of an action, which does not match; empty: the command as a whole does not.
    """
    if argument:
        return Refusal(Reason.ACTION_UNFIT, (stanza,), f"{argument} is not as it should be")
    return Refusal(Reason.COMMAND_NOT_ALLOWED, (stanza,))


def _filled(pieces: tuple[Piece, ...], values: Mapping[str, Value]) -> str:
    return "".join(values[each.name] if isinstance(each, Argument) else each for each in pieces)


def _value(argument: Argument, text: str) -> Value:
    """In its canonical form."""
    if len(text) > LONGEST or not text.isprintable():
        raise UnfitError(f"{argument.name} is too long, or has characters that cannot be printed")
    return _READERS[argument.kind](argument, text)


def _address(argument: Argument, text: str) -> Value:
    try:
        found = ip_address(text)
    except ValueError:
        raise UnfitError(f"{argument.name} is no address") from None
    if isinstance(found, IPv6Address) and (found.scope_id or found.ipv4_mapped):
        raise UnfitError(f"{argument.name} is an address with a scope, or an IPv4 one in disguise")
    family = {Kind.IPV4: IPv4Address, Kind.IPV6: IPv6Address}.get(argument.kind)
    if family is not None and not isinstance(found, family):
        raise UnfitError(f"{argument.name} is no {argument.kind} address")
    return str(found)


def _number(argument: Argument, text: str) -> Value:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS):
        raise UnfitError(f"{argument.name} is no number")
    if not argument.low <= (number := int(text)) <= argument.high:
        raise UnfitError(f"{argument.name} is not from {argument.low} to {argument.high}")
    return str(number)


def _choice(argument: Argument, text: str) -> Value:
    if text not in argument.choices:
        raise UnfitError(f"{argument.name} is none of {', '.join(argument.choices)}")
    return text


def _word(argument: Argument, text: str) -> Value:
    if not text or text.startswith("-"):
        raise UnfitError(f"{argument.name} is empty, or begins with a dash")
    return text


_READERS: Final[Mapping[Kind, Callable[[Argument, str], Value]]] = {
    Kind.ADDRESS: _address,
    Kind.IPV4: _address,
    Kind.IPV6: _address,
    Kind.PORT: _number,
    Kind.NUMBER: _number,
    Kind.CHOICE: _choice,
    Kind.WORD: _word,
}
