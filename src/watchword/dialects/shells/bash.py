"""Completion for bash.

In here: command lines to a script for bash 4 and later, which needs no other package. (The
bash 3.2 of macOS should complete everything but files; nobody has tried.)

The name of a stanza is somebody's text: it never goes through ``compgen -W`` or ``eval``,
which would run what stands in it, and is offered the way bash quotes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from watchword.dialects.shells import quoting
from watchword.dialects.shells.command import Command, Switch, Takes, Value

_HEAD: Final = r"""# Completion for bash, made by: watchword completion bash

# Offers those of the given words that begin as the current one does, as text.
__watchword_offer() {
    local word quoted typed=$cur
    [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && typed=${cur##*:}
    for word in "$@"; do
        printf -v quoted %q "$word"
        if [[ $cur == [\'\"]* ]]; then  # bash puts it between the quotes, and adds the second
            [[ $cur == \'* && $word != *\'* ]] && quoted=$word
            [[ $quoted == "$word" && $word == "${cur:1}"* ]] && COMPREPLY+=("$word")
        elif [[ $word == "$cur"* ]]; then
            COMPREPLY+=("${quoted#"${cur%"$typed"}"}")
        elif [[ $quoted == "$cur"* ]]; then
            COMPREPLY+=("$quoted")
        fi
    done
}

# Offers the sections of the rc file, the one that is named on the line if one is.
__watchword_stanzas() {
    local file=$HOME/.fwknoprc at name names=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == --rc-file ]]; then
            file=${COMP_WORDS[at + 1]}
            [[ $file == = ]] && file=${COMP_WORDS[at + 2]}
        fi
    done
    file=${file/#\~\//$HOME/}
    [[ -f $file && -r $file ]] || return
    while IFS= read -r name; do
        names+=("$name")
    done < <(@NAMES@ 2>/dev/null <"$file")
    __watchword_offer "${names[@]}"
}

# Offers host names; addresses of the system's own list.
__watchword_hosts() {
    local host hosts=()
    while IFS= read -r host; do
        hosts+=("$host")
    done < <(compgen -A hostname)
    __watchword_offer "${hosts[@]}"
}

# Puts the word in front of the cursor into cur, the one before it into prev. Bash splits
# words at colons and equal signs as well, which is undone here.
__watchword_words() {
    local at=$COMP_CWORD piece typed=${COMP_LINE:0:COMP_POINT}
    cur=${COMP_WORDS[at]} piece=${COMP_WORDS[at]} typed=${typed##*[[:space:]=]}
    if [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]]; then
        while [[ $piece != "$typed" ]] && ((at > 1)); do
            piece=${COMP_WORDS[--at]}$piece
        done
        if [[ $piece == "$typed" ]]; then cur=$typed; else at=$COMP_CWORD; fi
    fi
    prev=${COMP_WORDS[at - 1]}
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[at - 2]}
    fi
}
""".replace("@NAMES@", quoting.NAMES)
_PROPOSED: Final = {
    Takes.FILE: "compopt -o default 2>/dev/null",
    Takes.FOLDER: "compopt -o dirnames 2>/dev/null",
    Takes.HOST: "__watchword_hosts",
    Takes.STANZA: "__watchword_stanzas",
}


def script(programs: tuple[Command, ...]) -> str:
    """The script, for one ``source`` or one file of bash-completion's folder."""
    return "\n".join([_HEAD, *map(_program, programs)])


def _program(program: Command) -> str:
    name = f"_watchword_{program.name}"
    body = list(_commands(program)) if program.commands else list(_options(program))
    lines = [f"{name}() {{", "    local cur prev", "    COMPREPLY=()", "    __watchword_words"]
    lines += [f"    {line}" for line in body]
    return "\n".join([*lines, "}", f"complete -F {name} {program.name}", ""])


def _commands(program: Command) -> Iterator[str]:
    """The word after the program's name says whose options are meant."""
    yield "if ((COMP_CWORD > 1)); then"
    yield '    case "${COMP_WORDS[1]}" in'
    for each in program.commands:
        yield f"    {each.name})"
        yield from (f"        {line}" for line in _options(each))
        yield "        ;;"
    yield "    esac"
    yield "    return"
    yield "fi"
    names = tuple(each.name for each in program.commands)
    switches = tuple(name for each in program.switches for name in each.names)
    yield f"__watchword_offer {quoting.words(names + switches)}"


def _options(command: Command) -> Iterator[str]:
    taking = [each for each in command.switches if each.value.takes is not Takes.NOTHING]
    if taking:
        yield "case $prev in"
        for value, switches in _alike(taking).items():
            names = "|".join(name for each in switches for name in each.names)
            yield f"{names})"
            yield f"    {_proposal(value)}"
            yield "    return"
            yield "    ;;"
        yield "esac"
    names = quoting.words(tuple(name for each in command.switches for name in each.names))
    yield "if [[ $cur == -* ]]; then"
    yield f"    __watchword_offer {names}" if names else "    :"
    yield "else"
    inner = tuple(each.name for each in command.commands)
    operand = Value(Takes.WORD, words=inner) if inner else command.operand
    yield f"    {_proposal(operand)}"
    yield "fi"


def _alike(switches: list[Switch]) -> dict[Value, list[Switch]]:
    """Switches by what is proposed for their values."""
    found: dict[Value, list[Switch]] = {}
    for each in switches:
        found.setdefault(Value(each.value.takes, words=each.value.words), []).append(each)
    return found


def _proposal(value: Value) -> str:
    if value.takes is Takes.WORD:
        return f"__watchword_offer {quoting.words(value.words)}"
    return _PROPOSED.get(value.takes, ":")
