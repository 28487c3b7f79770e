"""Reads the commands of access.conf that have variables in them.

In here: fwknop's names of variables, splitting into words.
Not in here: values (grant.cycles), which lines hold such commands (access_conf_cycle).

Source: fwknopd server, 10.2 and 12.4. Difference: quotes group words.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from watchword.model.templates import Blank, Part, Template

NAMES: Final[Mapping[str, Blank]] = {
    "IP": Blank.WHO,
    "SRC": Blank.WHO,
    "PKT_SRC": Blank.SOURCE,
    "DST": Blank.DESTINATION,
    "PORT": Blank.PORT,
    "PROTO": Blank.PROTO_NUMBER,
    "TIMEOUT": Blank.ENDS,
    "CLIENT_TIMEOUT": Blank.SECONDS,
}
"""In the order in which the original tries them: the first that fits wins."""
_WORD: Final = re.compile(r"[A-Za-z0-9_]*")


def template(text: str, names: Mapping[str, Blank] = NAMES) -> Template:
    """Read one command. The ``$`` of what is no name is dropped, and what follows stays.

    Raises ValueError: a quote is left open, or there is no word.
    """
    words = shlex.split(text)
    if not words or not words[0]:
        raise ValueError("there is no word in it")
    return Template(_parts(text, names), tuple(_parts(word, names) for word in words))


def unknown_variables(text: str, names: Mapping[str, Blank] = NAMES) -> Iterator[str]:
    """What is written like a variable and is none, without its ``$``."""
    for rest in text.split("$")[1:]:
        if not rest.startswith(tuple(names)):
            found = _WORD.match(rest)
            yield found[0] if found else ""


def _parts(text: str, names: Mapping[str, Blank]) -> tuple[Part, ...]:
    first, *others = text.split("$")
    parts: list[Part] = [first]
    for rest in others:
        name = next((each for each in names if rest.startswith(each)), None)
        if name is not None:
            parts.append(names[name])
        parts.append(rest[len(name or "") :])
    return tuple(each for each in parts if each)
