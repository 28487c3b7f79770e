"""Turns a caller's command into the words of one program run.

In here: splitting, the words of sudo before it, the shell where a stanza asks for one.
Not in here: whether the stanza allows it (decide), running (service.daemon.hand).

Source: fwknopd server, 10.1. Differences: quotes group words; the time is
limited; sudo's own options end before the caller's words begin, so that a
command cannot name another user.
"""

from __future__ import annotations

import shlex
from typing import Final

from watchword.model.commands import Check, CommandTerms, Job

SHELL: Final = ("/bin/sh", "-c")


def words(command: str) -> tuple[str, ...]:
    """Split at blanks; quotes group, and nothing else means anything.

    Raises ValueError: a quote is left open, or there is no word.
    """
    found = tuple(shlex.split(command))
    if not found or not found[0]:
        raise ValueError("there is no word in it")
    return found


def job(terms: CommandTerms, command: str) -> Job:
    """What is to be run. Raises ValueError as ``words`` does."""
    if "\0" in command:
        raise ValueError("it has a NUL in it")
    if terms.shell:
        if not command.strip():
            raise ValueError("there is no word in it")
        argv: tuple[str, ...] = (*SHELL, command)
    else:
        argv = words(command)
    checks = () if terms.pattern is None else (Check(terms.pattern, command),)
    return Job((*terms.prefix, *argv), terms.account, terms.seconds, checks)
