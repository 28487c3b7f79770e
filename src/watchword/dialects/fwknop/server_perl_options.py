"""The long options of fwknopd 1.9, said in those of 2.6.

In here: the table, letter case, and what has no counterpart.
Not in here: the options of 2.6 (server_options).

Short options are those of 2.6, where ``-d``, ``-o``, ``-s`` and ``-T`` are others. Source:
fwknopd server, 12.2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from watchword.errors import OperatorError


class _Old(NamedTuple):
    now: tuple[str, ...] = ()
    """What to say instead; empty: nothing, it is how things are."""
    has_value: bool = False
    instead: str = ""
    """Not empty: it is refused, and this is the remedy."""
    fine: tuple[str, ...] = ()
    """Values that are not refused all the same: they are what was meant without it."""


_TABLE: Final = {
    "access-conf": _Old(("--access-file",), has_value=True),
    "intf": _Old(("--interface",), has_value=True),
    "count": _Old(("--packet-limit",), has_value=True),
    "debug": _Old(("--foreground", "--verbose")),
    "test-mode": _Old(("--test",)),
    "fw-del-chains": _Old(),
    "linux-cooked-intf": _Old(),
    "no-locale": _Old(),
    "include-all-config": _Old(),
    "gpg-agent-info": _Old(has_value=True),
    "lib-dir": _Old(has_value=True),
    "fw-type": _Old(
        has_value=True, instead="FIREWALL_BACKEND of the configuration chooses", fine=("iptables",)
    ),
    "no-gpg": _Old(instead="take the lines with GPG_ out of the stanzas"),
    "spa-dump-packets": _Old(has_value=True, instead="watchword explain --pcap reads captures"),
}


def translated(argv: Sequence[str], known: Collection[str]) -> list[str]:
    """The same command line with the long options of 2.6; what is no old option is left alone.

    ``known``: the long options of 2.6, without their dashes. Raises OperatorError for an option
    that has no counterpart.
    """
    found: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        lower = name.lower()
        if not word.startswith("--") or not name or any(each.startswith(name) for each in known):
            found.append(word)
        elif (old := _TABLE.get(lower)) is not None:
            given = [value] if equals else []
            if old.has_value and not equals:
                given = [after for after in [next(words, None)] if after is not None]
            if old.instead and not set(given) & set(old.fine):
                raise OperatorError(f"--{name} of fwknop 1.9 is not available", hint=old.instead)
            found += [*old.now, *(given if old.now else [])]
        elif any(each.startswith(lower) for each in known):
            found.append(f"--{lower}{equals}{value}")
        else:
            found.append(word)
    return found
