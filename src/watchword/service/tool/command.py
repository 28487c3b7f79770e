"""The command watchword: finds the subcommand that was asked for, and nothing else.

In here: the list of subcommands, the exit status of an error.
Not in here: the subcommands. Each is a module beside this one, whose ``add_to`` adds its
options to the parser.

Starting is fast: only the module of the command that was named is imported; all of them
are where somebody asks for help. What a command works with it imports when it works.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from keyword import iskeyword
from types import ModuleType
from typing import Any, Final, NoReturn

from watchword import __version__
from watchword.edges import streams
from watchword.errors import OperatorError, WatchwordError
from watchword.service.complain import answered, complain

PROGRAM: Final = "watchword"
COMMANDS: Final = (
    "connect", "run", "close", "doctor", "export", "import", "explain", "check", "diff", "status",
    "grants", "revoke", "extend", "block", "unblock", "log", "audit", "support-bundle", "setup",
    "sheet", "front", "conformance", "simulate", "completion",
)  # fmt: skip
"""In the order of the manual page."""
RUN: Final = "run"
"""The one that another command follows, and gives way to."""
YES, NO, WRONG = 0, 1, 2
NOT_RUN: Final = 125  # as env(1) says that nothing of the command has happened
_UNKNOWN: Final = r"invalid choice: '([^']*)'|unrecognized arguments: (-[^ =]+)"
INTERRUPTED: Final = 130  # as shells say it of SIGINT


def run(argv: Sequence[str], *, own_process: bool = False) -> int:
    """Answer; the exit status is 0 for yes, 1 for no, 2 for a question that makes no sense."""
    named = argv[0] if argv and argv[0] in COMMANDS else None
    if own_process:
        from watchword.edges import core_dumps

        core_dumps.forbid(for_good=named != RUN)
        streams.open_closed()
    words, command = _split(argv) if named == RUN else (argv, ())
    whole = parser(named)
    if named == RUN and not command:
        whole.remedy = f"a command follows a --: {PROGRAM} run NAME -- COMMAND"
    try:
        arguments = whole.told(words)
    except SystemExit as ended:
        if named == RUN and ended.code == WRONG:  # which might be the command's own
            raise SystemExit(NOT_RUN) from None
        raise
    arguments.command = command
    if own_process and (keys := list(_with_keys(arguments))):
        from watchword.edges import process_list

        process_list.hide(keys)
    answer: Callable[[argparse.Namespace], int] = arguments.answer
    try:
        return answered(PROGRAM, lambda: answer(arguments))
    except WatchwordError as error:
        complain(PROGRAM, error)
        return WRONG if isinstance(error, OperatorError) else NO
    except KeyboardInterrupt:
        return INTERRUPTED


def _with_keys(arguments: argparse.Namespace) -> Iterator[str]:
    """Values that hold keys, or may: what is imported, and options of the knock."""
    if uri := getattr(arguments, "uri", None):
        yield str(uri)
    yield from filter(_holds_key, getattr(arguments, "options", None) or ())


def _holds_key(text: str) -> bool:
    """Whether a value of ``--options`` gives a key, so that others should not see it."""
    import shlex

    from watchword.dialects.fwknop import client_last

    try:
        return bool(client_last.keys_in(shlex.split(text)))
    except (OperatorError, ValueError):
        return False  # it will be complained about


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What is ours, and the command after ``--``, of which argparse would take a ``--`` too."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def parser(named: str | None = None) -> _Parser:
    """The parser of one command, or of all of them."""
    whole = _Parser(
        PROGRAM,
        description="Get to hidden services, take stanzas along, ask a Watchword configuration "
        "and the running fwknopd questions, and end or prolong what it has granted.",
    )
    whole.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND", prog=PROGRAM)
    for name in (named,) if named else COMMANDS:
        _module_of(name).add_to(commands)
    return whole


def _module_of(name: str) -> ModuleType:
    """The module of one command; a name that is a word of Python's has one stroke more."""
    module = name.replace("-", "_")
    return import_module(f"watchword.service.tool.{module}{'_' * iskeyword(name)}")


class _Formatter(argparse.HelpFormatter):
    """Of the terminal's width, which argparse asks shutil for with every option it is told of."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width() - 2)


def _width() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


class _Parser(argparse.ArgumentParser):
    """The parser of the tool, and of each of its commands."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        more.setdefault("formatter_class", _Formatter)
        self.remedy = ""
        """What is said of words that nobody knows, where none that is near is known."""
        super().__init__(*arguments, **more)
        self.set_defaults(asked=self)  # of a command's, the last one counts

    def told(self, words: Sequence[str]) -> argparse.Namespace:
        """What was said. Words that are too many are a matter of the command they follow."""
        arguments, unknown = self.parse_known_args(words)
        if unknown:
            asked: _Parser = arguments.asked
            asked.remedy = self.remedy
            asked.error(f"unrecognized arguments: {' '.join(unknown)}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """As argparse does it, with the name that was meant, if one is near."""
        import re

        from watchword.dialects.fwknop.suggest import did_you_mean

        found = re.search(_UNKNOWN, message)
        known = {*self._known()} if found else set()
        guess = did_you_mean(next(filter(None, found.groups())), known) if found else ""
        joined = re.fullmatch(r"argument (?:-\w/)?(--[\w-]+): expected one argument", message)
        glued = f"a value that begins with - is glued on: {joined[1]}=-X" if joined else ""
        hint = guess or self.remedy or glued or f"{self.prog} --help says what there is"
        self.print_usage(sys.stderr)
        self.exit(WRONG, f"{PROGRAM}: error: {message}\n{PROGRAM}: hint: {hint}\n")

    def _known(self) -> Iterator[str]:
        """Options and words of this parser and of those below it."""
        for action in self._actions:
            yield from action.option_strings
            yield from map(str, action.choices or ())
            if isinstance(action, argparse._SubParsersAction):
                for each in action.choices.values():
                    yield from each._known()
