"""What a stanza runs, in sentences: commands, named actions, what opens and closes for it.

In here: the words, and as whom it is run. Not in here: everything else of a stanza (explain_words).
"""

from __future__ import annotations

from collections.abc import Iterator

from watchword.model.actions import Action, Argument, Kind
from watchword.model.commands import Account, CommandTerms, CycleTerms
from watchword.model.templates import Blank, Template


def commands(terms: CommandTerms) -> str:
    """Which commands a stanza runs, and how."""
    which = "any command" if terms.pattern is None else f"commands that match {terms.pattern!r}"
    how = "given to a shell" if terms.shell else "without a shell"
    whom = as_whom(terms.account, terms.prefix)
    return f"runs {which}, {how}, {whom}, for {terms.seconds:g} seconds at most"


def action(found: Action) -> str:
    """A named action: how it is asked for, and what is run then."""
    argv = " ".join(
        "".join(f"<{each.name}>" if isinstance(each, Argument) else each for each in word)
        for word in found.words
    )
    kinds = ", ".join(f"{each.name} is {_kind(each)}" for each in found.arguments)
    what = f"'{found.usage}' ({kinds})" if kinds else f"'{found.usage}'"
    whom = as_whom(found.account, ())
    return f"runs for {what}: {argv}, {whom}, for {found.seconds:g} seconds at most"


def _kind(argument: Argument) -> str:
    match argument.kind:
        case Kind.NUMBER | Kind.PORT:
            return f"{argument.kind} {argument.low} to {argument.high}"
        case Kind.CHOICE:
            return " or ".join(argument.choices)
        case Kind.WORD:
            return f"a word that matches {argument.pattern!r}"
        case _:
            return argument.kind


def cycle(terms: CycleTerms) -> Iterator[str]:
    """What stands in for the firewall."""
    how = " (by a shell)" if terms.shell else ""
    yield f"opened by the command{how} {_template(terms.opening)}"
    if terms.closing is None:
        yield "closed by nothing of ours (CMD_CYCLE_CLOSE NONE)"
    else:
        yield f"closed by the command{how} {_template(terms.closing)}"


def _template(found: Template) -> str:
    """Blanks are shown as what goes into them."""
    return "".join(f"<{each}>" if isinstance(each, Blank) else each for each in found.text)


def as_whom(account: Account | None, prefix: tuple[str, ...]) -> str:
    if account is None:
        who = "as the user of fwknopd"
    else:
        who = f"as {account.user} (group {account.group})"
    return f"{who} through {' '.join(prefix)}" if prefix else who
