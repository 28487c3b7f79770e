"""Guesses which name somebody meant.

In here: the nearest of some known names, and the sentence that offers it.
Not in here: the names (each dialect has its table).
"""

from __future__ import annotations

from collections.abc import Collection

_LONGEST = 64  # beyond it nobody meant one of our names, and comparing costs


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like this one, letter case aside; None if none is."""
    if len(name) > _LONGEST:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  (only mistakes need it)

    folded = {each.upper(): each for each in known}
    found = get_close_matches(name.upper(), folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Collection[str]) -> str:
    """``did you mean OPEN_PORTS?``, or nothing where no known name is near."""
    found = nearest(name, known)
    return f"did you mean {found}?" if found else ""
