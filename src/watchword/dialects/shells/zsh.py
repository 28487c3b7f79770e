"""Completion for zsh.

In here: command lines to a script that can be sourced, or lie in a folder of ``fpath`` as
``_watchword``. Names of stanzas are handed to ``compadd`` as they are, which quotes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.shells import quoting
from watchword.dialects.shells.command import Command, Switch, Takes, Value

_HEAD: Final = r"""#compdef @PROGRAMS@
# Completion for zsh, made by: watchword completion zsh

# Offers the sections of the rc file, the one that is named on the line if one is.
__watchword_stanzas() {
    local file=${opt_args[--rc-file]:-$HOME/.fwknoprc}
    file=${(Q)file}
    file=${file/#\~\//$HOME/}
    [[ -f $file && -r $file ]] || return 1
    local -a names
    names=("${(@f)$(@NAMES@ 2>/dev/null <$file)}")
    compadd -- ${names:#}
}
"""
_TAIL: Final = r"""
if [[ ${funcstack[1]} == _watchword ]]; then  # autoloaded
    _watchword_$service "$@"
else
    @COMPDEF@
fi
"""
_PROPOSED: Final = {
    Takes.FILE: "_files",
    Takes.FOLDER: "_files -/",
    Takes.HOST: "_hosts",
    Takes.STANZA: "__watchword_stanzas",
}


def script(programs: tuple[Command, ...]) -> str:
    """The script: sourced after ``compinit``, or autoloaded by it."""
    names = [each.name for each in programs]
    head = _HEAD.replace("@NAMES@", quoting.NAMES).replace("@PROGRAMS@", " ".join(names))
    defined = "\n    ".join(f"compdef _watchword_{name} {name}" for name in names)
    functions = [line for each in programs for line in _function(f"_watchword_{each.name}", each)]
    return "\n".join([head, *functions]) + _TAIL.replace("@COMPDEF@", defined)


def _function(name: str, command: Command) -> Iterator[str]:
    for each in command.commands:
        yield from _function(f"{name}_{each.name}", each)
    yield f"{name}() {{"
    if command.commands:
        yield from (f"    {line}" for line in _dispatch(name, command))
    else:
        yield from (f"    {line}" for line in _arguments(command, _operands(command)))
    yield "}"


def _dispatch(name: str, command: Command) -> Iterator[str]:
    """The first word that is no option says whose options are meant."""
    yield "local context state line"
    yield "typeset -A opt_args"
    yield from _arguments(command, ["'1: :->command'", "'*:: :->rest'"], "-C ")
    yield "case $state in"
    yield "command)"
    listed = (f"{each.name}:{_colons(each.what)}" for each in command.commands)
    yield f"    local -a commands; commands=({quoting.words(tuple(listed))})"
    yield "    _describe command commands"
    yield "    ;;"
    yield "rest)"
    yield "    case $words[1] in"
    for each in command.commands:
        yield f"    {each.name}) {name}_{each.name} ;;"
    yield "    esac"
    yield "    ;;"
    yield "esac"


def _arguments(command: Command, operands: list[str], how: str = "") -> Iterator[str]:
    specs = [spec for each in command.switches for spec in _specs(each)] + operands
    yield f"_arguments {how}-s -S \\"
    for spec in specs[:-1]:
        yield f"    {spec} \\"
    yield f"    {specs[-1]}"


def _specs(switch: Switch) -> Iterator[str]:
    what = switch.what.translate({ord(each): f"\\{each}" for each in "[]:\\"})
    for name in switch.names:
        after = ""
        if switch.value.takes is not Takes.NOTHING:
            name += "=" if name.startswith("--") else "+"  # noqa: PLW2901
            after = f":{_colons(switch.value.name)}:{_action(switch.value)}"
        yield quoting.word(f"*{name}[{what}]{after}")


def _operands(command: Command) -> list[str]:
    operand = command.operand
    if operand.takes is Takes.TEXT:
        return ["'*:word:_default'"] if operand.name else []
    return [quoting.word(f"*:{_colons(operand.name)}:{_action(operand)}")]


def _action(value: Value) -> str:
    if value.takes is Takes.WORD:
        return f"({' '.join(value.words)})"
    return _PROPOSED.get(value.takes, " ")


def _colons(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
