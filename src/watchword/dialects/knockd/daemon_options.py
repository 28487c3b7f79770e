"""The command line of knockd (knockd, section 1).

In here: the options as data, parsing, the usage text.
Not in here: what the options do (service.knock).

Words that are no options are ignored, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.dialects.knockd.words import Option, listed, split
from watchword.record import record

CONFIG: Final = "/etc/knockd.conf"
PID_FILE: Final = "/var/run/knockd.pid"
INTERFACE: Final = "eth0"

OPTIONS: Final = (
    Option("i", "interface", "int", 'network interface to listen on (default "eth0")'),
    Option("d", "daemon", "", "run as a daemon"),
    Option("c", "config", "file", "use an alternate config file"),
    Option("D", "debug", "", "output debug messages"),
    Option("l", "lookup", "", "look up the names of callers for the log"),
    Option("p", "pidfile", "file", "use an alternate pid file"),
    Option("g", "logfile", "file", "use an alternate log file"),
    Option("v", "verbose", "", "be verbose"),
    Option("4", "only-ip-v4", "", "do not track IPv6"),
    Option("", "check", "", "read the configuration, say what is wrong with it, and exit"),
    Option("", "flush", "", "take everything of knockd's out of the firewall, and exit"),
    Option("V", "version", "", "display version"),
    Option("h", "help", "", "this help"),
)
_FIELDS: Final = {"pidfile": "pid_file", "logfile": "log_file", "only-ip-v4": "only_ipv4"}


@record
class DaemonOptions:
    """What the command line says; what is not given is None or False."""

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
    flush: bool = False
    version: bool = False
    help: bool = False


def parse(argv: Sequence[str]) -> DaemonOptions:
    """Read a command line without the program's name. Raises UsageError."""
    given, _ = split(argv, OPTIONS)
    said: dict[str, object] = {}
    for option, value in given:
        said[_FIELDS.get(option.long, option.long)] = value if option.value else True
    return DaemonOptions(**said)  # type: ignore[arg-type]  # the table says which are texts


def usage() -> str:
    return f"usage: knockd [options]\noptions:\n{listed(OPTIONS, 22)}"
