"""The command line of knockd (knockd, section 1).

In here: the options as data, parsing, the usage text.
Not in here: what the options do (service.knock).

Words that are no options are ignored, as there.
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from watchword.errors import OperatorError

CONFIG: Final = "/etc/knockd.conf"
PID_FILE: Final = "/var/run/knockd.pid"
VERSION: Final = "0.8"
"""Of the original that this one stands in for; scripts ask."""


@dataclass(frozen=True, slots=True)
class Option:
    short: str
    long: str
    value: str
    """What its value is called; empty: it has none."""
    what: str


OPTIONS: Final = (
    Option("i", "interface", "int", 'network interface to listen on (default "eth0")'),
    Option("d", "daemon", "", "run as a daemon"),
    Option("c", "config", "file", "use an alternate config file"),
    Option("D", "debug", "", "output debug messages"),
    Option("l", "lookup", "", "look up the names of callers for the log"),
    Option("p", "pidfile", "file", "use an alternate pid file"),
    Option("g", "logfile", "file", "use an alternate log file"),
    Option("v", "verbose", "", "be verbose"),
    Option("4", "only-ip-v4", "", "do not track ipv6"),
    Option("t", "check", "", "check the configuration, say what is weak, and exit"),
    Option("V", "version", "", "display version"),
    Option("h", "help", "", "this help"),
)


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    config: str = CONFIG
    interface: str | None = None
    daemon: bool = False
    debug: bool = False
    lookup: bool = False
    pid_file: str | None = None
    log_file: str | None = None
    verbose: bool = False
    only_ipv4: bool = False
    check: bool = False
    version: bool = False
    help: bool = False


class UsageError(OperatorError):
    """The command line cannot be read; the usage text is what helps."""


_FIELDS: Final = {"pidfile": "pid_file", "logfile": "log_file", "only-ip-v4": "only_ipv4"}


def parse(argv: Sequence[str]) -> DaemonOptions:
    """Read a command line without the program's name. Raises UsageError."""
    given = split(argv, OPTIONS)[0]
    said: dict[str, object] = {}
    for option, value in given:
        name = _FIELDS.get(option.long, option.long)
        said[name] = value if option.value else True
    return DaemonOptions(**said)  # type: ignore[arg-type]  # the table says which are texts


def split(
    argv: Sequence[str], options: Sequence[Option]
) -> tuple[list[tuple[Option, str]], list[str]]:
    """Options with their values, in order, and the other words. Raises UsageError."""
    letters = "".join(each.short + (":" if each.value else "") for each in options)
    names = [each.long + ("=" if each.value else "") for each in options]
    try:
        pairs, rest = getopt.gnu_getopt(list(argv), letters, names)
    except getopt.GetoptError as error:
        raise UsageError(error.msg, hint="see the list of options") from None
    known = {f"-{each.short}": each for each in options}
    known |= {f"--{each.long}": each for each in options}
    return [(known[name], value) for name, value in pairs], rest


def usage() -> str:
    return f"usage: knockd [options]\noptions:\n{listed(OPTIONS)}\n"


def listed(options: Sequence[Option], width: int = 22) -> str:
    """One line for each option."""
    text = ""
    for each in options:
        value = f" <{each.value}>" if each.value else ""
        text += f"  {f'-{each.short}, --{each.long}{value}':<{width}} {each.what}\n"
    return text


def version(program: str, ours: str) -> str:
    """Two lines, the first as the original has it."""
    return f"{program} {VERSION}\nWatchword {ours}\n"
