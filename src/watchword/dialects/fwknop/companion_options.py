"""The command lines of knoptm, knopmd and fwknop_serv, which fwknop 1.9 had beside fwknopd.

In here: options as data, parsing, usage. They are alike: which files, foreground or not.
Not in here: what the programs do (service.daemon), knopwatchd (watchdog_options).

Source: fwknopd server, 12.1; legacy port knocking, 8.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from watchword.dialects.fwknop.server_options import Option, Takes, UsageError
from watchword.record import record

_FILES: Final = (
    Option("c", "config", Takes.TEXT, "read settings from this file"),
    Option("O", "Override", Takes.TEXT, "files (a,b,...) whose settings override the others"),
)
_REST: Final = (
    Option("", "no-voluntary-exits", Takes.NOTHING, "accepted: there are none"),
    Option("", "no-locale", Takes.NOTHING, "accepted: the locale is left as it is"),
    Option("", "Lib-dir", Takes.TEXT, "accepted, without effect"),
    Option("V", "Version", Takes.NOTHING, "print the version and exit"),
    Option("h", "help", Takes.NOTHING, "print this text and exit"),
)
_STAYS: Final = Option("f", "foreground", Takes.NOTHING, "stay in the foreground")
_STOP: Final = Option("K", "Kill", Takes.NOTHING, "end the one that is running")

OPTIONS: Final[Mapping[str, tuple[Option, ...]]] = {
    "fwknop_serv": (*_FILES, _STAYS, _STOP, *_REST),
    "knopmd": (*_FILES, *_REST),
    "knoptm": (*_FILES, *_REST),
}
"""By the name of the program."""
_DOES: Final = {
    "fwknop_serv": "Completes TCP connections to the port for packets, for an fwknopd that sniffs.",
    "knopmd": "Says who reads the firewall's log.",
    "knoptm": "Says what is open and until when; without a running fwknopd, ends what is overdue.",
}


@record
class CompanionOptions:
    daemon: tuple[str, ...]
    """What an fwknopd would be told: which files it reads."""
    foreground: bool = False
    kill: bool = False
    version: bool = False
    help: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help lists the options")


def parse(program: str, argv: Sequence[str]) -> CompanionOptions:
    """Read a command line, the program's name left out. Raises UsageError."""
    parser = _Parser(prog=program, add_help=False, allow_abbrev=True)
    for option in OPTIONS[program]:
        names = [f"-{option.short}"] if option.short else []
        parser.add_argument(*names, f"--{option.long}", action=option.takes.value, default=None)
    said = vars(parser.parse_args(list(argv)))
    passed = (("-c", said["config"]), ("-O", said["Override"]))
    return CompanionOptions(
        daemon=tuple(word for pair in passed if pair[1] for word in pair),
        foreground=bool(said.get("foreground")),
        kill=bool(said.get("Kill")),
        version=bool(said["Version"]),
        help=bool(said["help"]),
    )


def usage(program: str) -> str:
    """The text of ``--help``, with a newline at the end."""
    lines = [f"Usage: {program} [options]", "", _DOES[program], ""]
    for option in OPTIONS[program]:
        argument = " <value>" if option.takes is Takes.TEXT else ""
        short = f"-{option.short}," if option.short else "   "
        lines.append(f" {short} --{option.long + argument:<24} {option.what}")
    return "\n".join(lines) + "\n"
