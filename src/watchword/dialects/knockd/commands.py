"""Reads the commands of doors, and says which of them mean something to a shell.

In here: ``%IP%``, splitting into words, the letters and words of sh(1).
Not in here: running them (service.knock).

What stands for ``%IP%`` is an address in canonical form: no letter of it means
anything to a shell. Source: knockd, section 5. Difference: a command that means
the same with and without a shell is run without.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

from watchword.model.doors import DoorCommand
from watchword.model.templates import Blank, Part, Template

ADDRESS: Final = "%IP%"
LONGEST: Final = 4095
"""Bytes of a command with the address in its place."""
_FOR_A_SHELL: Final = frozenset("|&;<>()$`*?[]{}~#!\\\n\r\0^")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_BUILT_IN: Final = frozenset({
    ".", ":", "[", "alias", "bg", "break", "case", "cd", "chdir", "command", "continue", "do",
    "done", "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg",
    "fi", "for", "function", "getopts", "hash", "help", "if", "in", "jobs", "kill", "let", "local",
    "printf", "pwd", "read", "readonly", "return", "select", "set", "shift", "source", "test",
    "then", "time", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset",
    "until", "wait", "while",
})  # fmt: skip
"""Words that a shell does not look for among the programs."""


def command(text: str, *, through_shell: bool = False) -> DoorCommand:
    """Read one command, which is not empty; ``through_shell``: it is given to one in any case."""
    words = _plain_words(text)
    if through_shell or words is None:
        return DoorCommand(Template(_parts(text), ()), through_shell=True)
    return DoorCommand(Template(_parts(text), tuple(map(_parts, words))), through_shell=False)


def _plain_words(text: str) -> list[str] | None:
    """The words of a command that a shell would change nothing of; None: it might."""
    if _FOR_A_SHELL & set(text):
        return None
    try:
        words = shlex.split(text)
    except ValueError:  # a quote is left open: the shell says so
        return None
    if not words or not words[0] or words[0] in _BUILT_IN or _ASSIGNMENT.match(words[0]):
        return None
    return words


def _parts(text: str) -> tuple[Part, ...]:
    first, *others = text.split(ADDRESS)
    parts: list[Part] = [first]
    for each in others:
        parts += [Blank.WHO, each]
    return tuple(each for each in parts if each)
