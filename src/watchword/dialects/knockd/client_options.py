"""The command line of knock (knockd, section 8).

In here: the options as data, parsing, the usage text, one word as one knock.
Not in here: sequences by name (client_file), sending (edges.send.knocks).

Of our own: ``--named``, ``--file``, ``--all``, ``--json``, and a pause behind a
port, ``7000@250``. Differences: a protocol may be in any case, and what is none is
refused, as is a port beyond 65535.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from watchword.dialects.knockd.words import Option, UsageError, listed, split
from watchword.errors import OperatorError
from watchword.record import record

OPTIONS: Final = (
    Option("u", "udp", "", "make all ports hits use UDP (default is TCP)"),
    Option("d", "delay", "t", "wait <t> milliseconds between port hits"),
    Option("4", "ipv4", "", "force usage of IPv4"),
    Option("6", "ipv6", "", "force usage of IPv6"),
    Option("n", "named", "name", "knock the sequence of this name"),
    Option("f", "file", "file", "where named sequences are (default ~/.knockrc)"),
    Option("a", "all", "", "knock at every address of the host"),
    Option("", "json", "", "print a line of JSON for each hit"),
    Option("v", "verbose", "", "be verbose"),
    Option("V", "version", "", "display version"),
    Option("h", "help", "", "this help"),
)
_LONGEST_DELAY: Final = 86_400_000
_PORT_HINT: Final = "write a port from 0 to 65535 or a service, such as 7000, 53:udp, 7000@250"


@record
class Hit:
    """One knock as it was typed."""

    port: str
    """A number or the name of a service."""
    udp: bool
    pause: int | None = None
    """Milliseconds to wait behind it; None: as behind the others."""


@record
class ClientOptions:
    """What the command line says; what is not given is None, False or empty."""

    host: str = ""
    hits: tuple[Hit, ...] = ()
    udp: bool = False
    """True: all hits use UDP, whatever else is said."""
    delay: int | None = None
    """Milliseconds."""
    family: int | None = None
    """4 or 6; None: either."""
    named: str | None = None
    file: str | None = None
    everywhere: bool = False
    json: bool = False
    verbose: bool = False
    version: bool = False
    help: bool = False


def parse(argv: Sequence[str]) -> ClientOptions:
    """Read a command line without the program's name.

    Raises UsageError where the usage text is what helps, OperatorError for a
    value that cannot be.
    """
    given, words = split(argv, OPTIONS)
    names = {option.long for option, _ in given}
    said = {option.long: value for option, value in given}
    families = [int(option.short) for option, _ in given if option.short in "46" and option.short]
    named = said.get("named")
    options = ClientOptions(
        host=words[0] if words else "",
        hits=tuple(map(hit, words[1:])),
        udp="udp" in names,
        delay=_delay(said["delay"]) if "delay" in said else None,
        family=families[-1] if families else None,
        named=named,
        file=said.get("file"),
        everywhere="all" in names,
        json="json" in names,
        verbose="verbose" in names,
        version="version" in names,
        help="help" in names,
    )
    if not (options.version or options.help):
        _refuse_nonsense(options)
    return options


def _refuse_nonsense(options: ClientOptions) -> None:
    if options.named is None and not (options.host and options.hits):
        raise UsageError("", hint="name a host and ports")
    if options.named is not None and options.hits:
        raise OperatorError(
            "a named sequence has its own ports", hint="leave out either --named or the ports"
        )


def hit(word: str) -> Hit:
    """One knock: ``port[:protocol][@milliseconds]``. Raises OperatorError."""
    rest, at, pause = word.partition("@")
    port, colon, protocol = rest.partition(":")
    if protocol.lower() not in ("tcp", "udp") and colon:
        raise OperatorError(
            f"{protocol!r} in {word!r} is no protocol", hint="write tcp or udp after the colon"
        )
    if not port or "\0" in port or (_is_number(port) and int(port[:9]) > 65535):
        raise OperatorError(f"{port!r} in {word!r} is no port", hint=_PORT_HINT)
    return Hit(port, protocol.lower() == "udp", _delay(pause) if at else None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _delay(text: str) -> int:
    if text.startswith("-"):
        raise OperatorError("error: delay cannot be negative", hint="write milliseconds")
    if not _is_number(text) or int(text[:9]) > _LONGEST_DELAY:
        raise OperatorError(f"{text!r} is no delay", hint="write milliseconds, such as 250")
    return int(text)


def usage() -> str:
    return (
        "usage: knock [options] <host> <port[:proto]> [port[:proto]] ...\n"
        "       knock [options] --named <name> [host]\n"
        f"options:\n{listed(OPTIONS, 22)}\n"
        "example:  knock myserver.example.com 123:tcp 456:udp 789:tcp\n"
    )
