"""The command line of knopwatchd, and the two variables that are for it.

In here: options as data, parsing, usage, how often and how soon the daemon is started again.
Not in here: starting it (service.daemon.watchdog), the daemon's own options (server_options).

Source: fwknopd server, 12.1; seed 003, ChangeLog of 1.9.10 and 1.9.11.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from watchword.dialects.fwknop.server_options import Option, Takes, UsageError
from watchword.errors import OperatorError
from watchword.record import record

OPTIONS: Final = (
    Option("c", "config", Takes.TEXT, "read settings from this file"),
    Option("a", "access-file", Takes.TEXT, "read stanzas from this file"),
    Option("O", "Override", Takes.TEXT, "files (a,b,...) whose settings override the others"),
    Option("D", "Dump-config", Takes.NOTHING, "print the settings in effect and exit"),
    Option("f", "foreground", Takes.NOTHING, "stay in the foreground, log to standard error"),
    Option("V", "Version", Takes.NOTHING, "print the version and exit"),
    Option("h", "help", Takes.NOTHING, "print this text and exit"),
)
_INTERVAL: Final = "KNOPWATCHD_CHECK_INTERVAL"
_TRIES: Final = "KNOPWATCHD_MAX_RETRIES"


@record
class WatchdogOptions:
    daemon: tuple[str, ...]
    """What is passed on to fwknopd: which files it reads."""
    dump: bool = False
    foreground: bool = False
    version: bool = False
    help: bool = False


@record
class Patience:
    seconds: int = 5
    """Pause before the daemon is started again after it lived no longer than this."""
    tries: int = 10
    """Starts in a row of a daemon that lives no longer; then it is given up."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="knopwatchd --help lists the options")


def parse(argv: Sequence[str]) -> WatchdogOptions:
    """Read a command line, the program's name left out. Raises UsageError."""
    parser = _Parser(prog="knopwatchd", add_help=False, allow_abbrev=True)
    for option in OPTIONS:
        names = [f"-{option.short}", f"--{option.long}"]
        parser.add_argument(*names, action=option.takes.value, default=None)
    said = vars(parser.parse_args(list(argv)))
    passed = (("-c", said["config"]), ("-a", said["access_file"]), ("-O", said["Override"]))
    return WatchdogOptions(
        daemon=tuple(word for pair in passed if pair[1] for word in pair),
        dump=bool(said["Dump_config"]),
        foreground=bool(said["foreground"]),
        version=bool(said["Version"]),
        help=bool(said["help"]),
    )


def usage() -> str:
    """The text of ``--help``, with a newline at the end."""
    lines = ["Usage: knopwatchd [options]", "", "Starts fwknopd, and again when it dies.", ""]
    for option in OPTIONS:
        argument = " <value>" if option.takes is Takes.TEXT else ""
        lines.append(f" -{option.short}, --{option.long + argument:<24} {option.what}")
    return "\n".join(lines) + "\n"


def patience(values: Mapping[str, str | None]) -> Patience:
    """What the configuration says. Raises OperatorError where it is no number."""
    default = Patience()
    return Patience(
        _number(values, _INTERVAL, default.seconds), _number(values, _TRIES, default.tries)
    )


def _number(values: Mapping[str, str | None], name: str, default: int) -> int:
    text = values.get(name)
    if not text:
        return default
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) > 0:
        return int(text)
    raise OperatorError(f"{name} is no number from 1 to 99999", hint=f"write {name} {default}")
