"""What all shells of the Bourne kind read alike.

In here: a text as one word, and the commands that list the sections of an rc file.
"""

from __future__ import annotations

from typing import Final

NAMES: Final = r"""sed -n '/[[:cntrl:]]/d; s/^[[:blank:]]*\[\([^]]*\)\].*/\1/p'"""
"""Prints the names of the sections of the rc file on its input, one a line.

The same grammar as dialects.fwknop.rcfile has; names that could steer a terminal are left
out. It answers in a millisecond, and starting Python takes fifty.
"""


def word(text: str) -> str:
    """One word that means itself, in sh, bash, zsh and, for what we write, in fish."""
    return "'" + text.replace("'", "'\\''") + "'"


def words(texts: tuple[str, ...]) -> str:
    """Several of them, with blanks between."""
    return " ".join(map(word, texts))
