"""Completion for fish.

In here: command lines to a script for fish 3. What the function of the stanzas prints is
proposed line by line, as text: fish quotes what it inserts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.shells import quoting
from watchword.dialects.shells.command import Command, Switch, Takes, Value

_HEAD: Final = r"""# Completion for fish, made by: watchword completion fish

# Prints the sections of the rc file, the one that is named on the line if one is.
function __watchword_stanzas
    set -l file $HOME/.fwknoprc
    set -l words (commandline -opc)
    for at in (seq (count $words))
        switch $words[$at]
            case '--rc-file=*'
                set file (string replace -- --rc-file= '' $words[$at])
            case --rc-file
                set -q words[(math $at + 1)]; and set file $words[(math $at + 1)]
        end
    end
    set file (string replace -r -- '^~/' $HOME/ $file)
    test -f "$file" -a -r "$file"; and @NAMES@ 2>/dev/null <$file
end
"""
_PROPOSED: Final = {
    Takes.NOTHING: "",
    Takes.TEXT: " -x",
    Takes.FILE: " -r -F",
    Takes.FOLDER: " -x -a '(__fish_complete_directories)'",
    Takes.HOST: " -x -a '(__fish_print_hostnames)'",
    Takes.STANZA: " -x -a '(__watchword_stanzas)'",
}


def script(programs: tuple[Command, ...]) -> str:
    """The script, for one ``source`` or one file of fish's folder of completions."""
    lines = [_HEAD.replace("@NAMES@", quoting.NAMES.replace("\\", "\\\\"))]
    for each in programs:
        lines.append(f"complete -c {each.name} -f")
        lines += _command(each.name, each, "")
    return "\n".join(lines) + "\n"


def _command(program: str, command: Command, when: str) -> Iterator[str]:
    start = f"complete -c {program}{when}"
    for switch in command.switches:
        yield start + _switch(switch)
    if command.commands:
        known = " ".join(each.name for each in command.commands)
        none = f"not __fish_seen_subcommand_from {known}"
        before = when or f" -n {quoting.word(none)}"
        for each in command.commands:
            yield f"complete -c {program}{before} -a {each.name} -d {_text(each.what)}"
        if not when:
            for each in command.commands:
                seen = quoting.word(f"__fish_seen_subcommand_from {each.name}")
                yield from _command(program, each, f" -n {seen}")
    elif command.operand.takes is not Takes.TEXT:
        yield start + _operand(command.operand)


def _operand(value: Value) -> str:
    if value.takes is Takes.WORD:
        return f" -a {quoting.word(' '.join(value.words))}"
    return _PROPOSED[value.takes].replace(" -x", "").replace(" -r", "")


def _switch(switch: Switch) -> str:
    short = f" -s {switch.short}" if switch.short else ""
    proposed = _PROPOSED.get(switch.value.takes)
    if proposed is None:
        proposed = f" -x -a {quoting.word(' '.join(switch.value.words))}"
    return f"{short} -l {switch.long}{proposed} -d {_text(switch.what)}"


def _text(text: str) -> str:
    """In fish's single quotes, a backslash escapes itself and the quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
