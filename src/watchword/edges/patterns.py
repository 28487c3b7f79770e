"""Matches what strangers wrote against an operator's regular expression, in bounded time.

In here: the match, in a process of its own. Not in here: who has to match what (grant).

A regular expression can take for ever on a text made for it, and nothing stops
Python's from inside. So the matching is done by an interpreter of its own,
which is ended when its time is up; a text that was not found to match in time
does not match. It costs some 15 ms, for texts whose sender has a key only.
"""

from __future__ import annotations

import sys
from typing import Final

from watchword.errors import HostError
from watchword.ports import ProgramRunner

SECONDS: Final = 1.0
_MATCHES, _DOES_NOT = 0, 3
_SCRIPT: Final = f"""
import re, sys
pattern, _, text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").partition("\\0")
sys.exit({_MATCHES} if re.fullmatch(pattern, text) else {_DOES_NOT})
"""


def fits(programs: ProgramRunner, pattern: str, text: str, *, seconds: float = SECONDS) -> bool:
    """Whether the whole of the text matches, in Python's syntax.

    Raises HostError: it could not be found out, or not in time.
    """
    question = f"{pattern}\0{text}".encode("utf-8", "surrogateescape")
    argv = [sys.executable, "-I", "-S", "-c", _SCRIPT]
    answer = programs.run(argv, stdin=question, seconds=seconds)
    if answer.status not in (_MATCHES, _DOES_NOT):
        raise HostError(f"the regular expression cannot be used (status {answer.status})")
    return answer.status == _MATCHES
