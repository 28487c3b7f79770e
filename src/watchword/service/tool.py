"""The command watchword: questions to a configuration, answered without changing anything.

In here: its subcommands and what they print, for people and as JSON.
Not in here: judging (explain), sentences (dialects), files (edges).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from watchword import __version__
from watchword.dialects.fwknop import explain_words, server_options, translate
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges.gpg import Gpg, gpg_programs
from watchword.edges.replay.reading import read_sighting
from watchword.errors import OperatorError, WatchwordError
from watchword.model.moments import Moment
from watchword.model.requests import ReplayKey, Sighting
from watchword.service import control, explain_answers, server_commands, status
from watchword.service.complain import complain, say
from watchword.service.explain import explain
from watchword.service.explain_questions import questions

PROGRAM = "watchword"
GRANTED, REFUSED, WRONG = 0, 1, 2


def run(argv: Sequence[str]) -> int:
    """Answer; the exit status is 0 for yes, 1 for no, 2 for a question that makes no sense."""
    arguments = _parser().parse_args(argv)
    answer: Callable[[argparse.Namespace], int] = arguments.answer
    try:
        return answer(arguments)
    except WatchwordError as error:
        complain(PROGRAM, error)
        return WRONG if isinstance(error, OperatorError) else REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROGRAM, description="Ask a Watchword configuration questions; nothing is changed."
    )
    parser.add_argument("-V", "--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("-c", "--config-file", metavar="FILE", help="fwknopd.conf to go by")
    shared.add_argument("-a", "--access-file", metavar="FILE", help="access.conf to go by")
    shared.add_argument("--json", action="store_true", help="answer as JSON")
    _explain_parser(commands, shared)
    check = commands.add_parser(
        "check",
        parents=[shared],
        help="what is wrong with the configuration, and what it amounts to",
        description="Read the configuration as fwknopd would, list everything that is wrong "
        "with it, and say in words what it allows. Exit status 0: it can be used; 1: it cannot.",
    )
    check.set_defaults(answer=_check)
    running = commands.add_parser(
        "status",
        parents=[shared],
        help="what the running daemon counts about itself",
        description="Ask the running fwknopd for packets by verdict, queues, drops, claims, "
        "grants in force and its slowest step. Exit status 1: no daemon answers.",
    )
    running.set_defaults(answer=_status)
    return parser


def _explain_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], shared: argparse.ArgumentParser
) -> None:
    parser = commands.add_parser(
        "explain",
        parents=[shared],
        help="why a packet is, was or would be refused",
        description="Judge a packet as fwknopd would, stanza by stanza. "
        "Exit status 0: it would be granted; 1: it would be refused.",
    )
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("packet", nargs="?", help="the packet's text")
    given.add_argument("--file", metavar="FILE", help="file with one packet a line (fwknop -B); -")
    given.add_argument("--pcap", metavar="FILE", help="capture file (tcpdump -w)")
    parser.add_argument("-s", "--source", metavar="ADDRESS", help="where it comes from")
    parser.add_argument("-d", "--destination", metavar="ADDRESS", help="where it is sent to")
    parser.add_argument(
        "-t", "--time", metavar="TIME", help="judge by this time: Unix seconds or 2026-01-31T12:00"
    )
    parser.set_defaults(answer=_explain)


def _configuration(arguments: argparse.Namespace) -> Configuration:
    return server_commands.configured(_options(arguments))


def _options(arguments: argparse.Namespace) -> ServerOptions:
    argv: list[str] = []
    for option in ("config_file", "access_file"):
        if value := getattr(arguments, option):
            argv += [f"--{option.replace('_', '-')}", value]
    return server_options.parse(argv)


def _status(arguments: argparse.Namespace) -> int:
    settings = translate.settings_only(server_commands.sources(), _options(arguments))
    told = control.ask(settings.run_dir / control.NAME, "status")
    print(json.dumps(told) if arguments.json else "\n".join(status.in_words(told)))
    return GRANTED


def _check(arguments: argparse.Namespace) -> int:
    try:
        configuration = _configuration(arguments)
    except OperatorError as error:
        if arguments.json:
            print(json.dumps({"usable": False, "complaints": _complaints(error.complaints)}))
        else:
            say(PROGRAM, error.complaints)
            print("the configuration cannot be used")
        return REFUSED
    words = list(explain_words.policy_in_words(configuration.settings, configuration.policy))
    if arguments.json:
        complaints = _complaints(configuration.complaints)
        print(json.dumps({"usable": True, "complaints": complaints, "policy": words}))
        return GRANTED
    say(PROGRAM, configuration.complaints)
    print("\n".join(words))
    print("the configuration can be used")
    return GRANTED


def _complaints(complaints: Sequence[Any]) -> list[dict[str, object]]:
    return [
        {
            "fatal": each.fatal,
            "file": each.place.file if each.place else None,
            "line": each.place.line if each.place else None,
            "message": each.message,
            "remedy": each.hint,
        }
        for each in complaints
    ]


def _explain(arguments: argparse.Namespace) -> int:
    configuration = _configuration(arguments)
    state_dir = configuration.settings.state_dir

    def seen(key: ReplayKey) -> Sighting | None:
        return read_sighting(state_dir, key)

    openpgp = Gpg(gpg_programs())
    answers = [
        explain(question.packet, configuration.policy, Moment(question.at, 0.0), seen, openpgp)
        for question in questions(arguments)
    ]
    if not answers:
        raise OperatorError("there is no packet to explain", hint="see watchword explain --help")
    if arguments.json:
        print(json.dumps([explain_answers.as_json(told) for told in answers], indent=2))
    else:
        places = {each.number: str(each.place) for each in configuration.policy.stanzas}
        print("\n\n".join("\n".join(explain_answers.in_words(told, places)) for told in answers))
    return GRANTED if all(told.permit for told in answers) else REFUSED
