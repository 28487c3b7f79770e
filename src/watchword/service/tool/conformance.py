"""The command watchword conformance: holds a program against the golden vectors.

In here: its command line, progress, what is printed.
Not in here: judging (conformance), which is imported when it is asked for: no other
command has a use for it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchword.edges import streams
from watchword.errors import OperatorError

if TYPE_CHECKING:
    from watchword.conformance.findings import Finding
    from watchword.edges.gpg import Gpg

MET, FAILED = 0, 1
GPG_SECONDS: Final = 60.0
"""Limit of one call of gpg: nobody waits for it but who judges, perhaps on a busy machine."""
_CLEAR_LINE: Final = "\r\033[K"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "conformance",
        help="hold a program that speaks SPA against the golden vectors",
        description="Hold a client, a server or our library against 847 recorded packets and "
        "command lines, and print what it met. Exit status 0: everything; 1: something failed.",
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="answer as JSON")
    shared.add_argument("-e", "--each", action="store_true", help="show what was met as well")
    subjects = parser.add_subparsers(required=True, metavar="SUBJECT")
    client = _subject(subjects, shared, "client", "a program with the options of fwknop")
    client.set_defaults(answer=_client)
    server = _subject(subjects, shared, "server", "a program with the options of fwknopd; as root")
    server.add_argument(
        "--all", action="store_true", help="try every vector, not only those that stand for all"
    )
    server.set_defaults(answer=_server)
    library = subjects.add_parser(
        "library", parents=[shared], help="our own library, against everything that is no program"
    )
    library.set_defaults(answer=_library)


def _subject(
    subjects: argparse._SubParsersAction[argparse.ArgumentParser],
    shared: argparse.ArgumentParser,
    name: str,
    words: str,
) -> argparse.ArgumentParser:
    parser = subjects.add_parser(name, parents=[shared], help=words, description=f"Judge {words}.")
    parser.add_argument("program", metavar="PROGRAM", help="its name or path")
    parser.add_argument(
        "arguments", metavar="ARG", nargs=argparse.REMAINDER, help="what it always needs"
    )
    return parser


def _library(arguments: argparse.Namespace) -> int:
    from watchword.conformance import library

    return _told(library.judge(_openpgp()), arguments)


def _client(arguments: argparse.Namespace) -> int:
    from watchword.conformance import carriers, clients, live, openpgp_lines

    program = _program(arguments)
    judged = chain(
        clients.judge(program),
        openpgp_lines.judge(program, _openpgp()),
        carriers.judge(program),
        live.judge_client(program),
    )
    return _told(judged, arguments)


def _server(arguments: argparse.Namespace) -> int:
    from watchword.conformance import live, servers

    program = _program(arguments)
    if why := live.obstacle():
        raise OperatorError(f"a server cannot be judged here: {why}", hint="run this as root")
    judged = chain(servers.judge(program, everything=arguments.all), live.judge_server(program))
    return _told(judged, arguments)


def _openpgp() -> Gpg:
    """Ours, to open OpenPGP packets with: the kit has none."""
    from watchword.edges.gpg import Gpg, gpg_programs

    return Gpg(gpg_programs(), seconds=GPG_SECONDS)


def _program(arguments: argparse.Namespace) -> Sequence[str]:
    """The command to judge, its program found. Raises OperatorError."""
    found = shutil.which(arguments.program)
    if found is None:
        raise OperatorError(
            f"there is no program {arguments.program!r}", hint="give its path, or a name on PATH"
        )
    return [str(Path(found).absolute()), *arguments.arguments]


def _told(judged: Iterable[Finding], arguments: argparse.Namespace) -> int:
    from watchword.conformance import tally
    from watchword.conformance.findings import Verdict

    findings = list(_with_progress(judged))
    if arguments.json:
        print(json.dumps(tally.as_values(findings), indent=2))
    else:
        colour = streams.colours(sys.stdout)
        print("\n".join(tally.lines(findings, colour=colour, each=arguments.each)))
    return FAILED if any(one.verdict is Verdict.FAIL for one in findings) else MET


def _with_progress(judged: Iterable[Finding]) -> Iterator[Finding]:
    """Pass findings on and count them on standard error, if that is a terminal."""
    shown = streams.moves(sys.stderr)
    for number, finding in enumerate(judged, 1):
        if shown:
            line = f"{number} judged, the last: {finding.group} {finding.name}"
            print(f"{_CLEAR_LINE}{line[:78]}", end="", file=sys.stderr, flush=True)
        yield finding
    if shown:
        print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)
