"""The command watchword explain: why a packet is, was or would be refused.

In here: its options, and what it prints, for people and as JSON.
Not in here: judging (explain), sentences (dialects), files (edges).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from watchword.errors import OperatorError
from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from watchword.dialects.fwknop.translate import Configuration
    from watchword.model.packets import Packet
    from watchword.model.settings import SourceSettings
    from watchword.service.explain import Explanation

GRANTED, REFUSED = 0, 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "explain",
        parents=[tool_questions.live_options()],
        help="why a packet is, was or would be refused",
        description="Judge a packet as fwknopd would, stanza by stanza. "
        "Exit status 0: it would be granted; 1: it would be refused. With --live the running "
        "daemon is asked what it has refused lately.",
    )
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("packet", nargs="?", help="the packet's text")
    given.add_argument("--file", metavar="FILE", help="file with one packet a line (fwknop -B); -")
    given.add_argument("--pcap", metavar="FILE", help="capture file (tcpdump -w)")
    given.add_argument(
        "--live", action="store_true", help="what the running daemon has refused lately"
    )
    given.add_argument(
        "--knocks", metavar="PORTS", help="what these knocks do at the doors (as in a sequence)"
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="with --live: and what it refuses from now on"
    )
    parser.add_argument("-s", "--source", metavar="ADDRESS", help="where it comes from")
    parser.add_argument("-d", "--destination", metavar="ADDRESS", help="where it is sent to")
    parser.add_argument(
        "-t", "--time", metavar="TIME", help="judge by this time: Unix seconds or 2026-01-31T12:00"
    )
    parser.set_defaults(answer=_explain)


def _live(arguments: argparse.Namespace) -> int:
    from watchword.service.tool import recent_told
    from watchword.service.tool.explain_questions import address

    if arguments.time is not None or arguments.destination is not None:
        raise OperatorError(
            "--time and --destination are for a packet that is given, not for --live",
            hint="watchword explain --live -s ADDRESS leaves out what others sent",
        )
    source = address(arguments.source)
    path = tool_questions.socket_of(arguments)
    found = 0
    for piece in recent_told.events(path, "refusals", follow=arguments.follow):
        for told in piece:
            if source not in ("", told["source"]):
                continue
            found += 1
            if arguments.json:
                print(json.dumps(told))
            else:
                print("\n".join(recent_told.refusal_in_words(told)))
        sys.stdout.flush()
    if not (found or arguments.json):
        print("\n".join(_nothing(source)))
    return GRANTED


def _nothing(source: str) -> Iterator[str]:
    """What to look at next, where no refusal is known."""
    whose, where = (f" from {source}", f"src {source}") if source else ("", "udp port 62201")
    yield f"no packet{whose} has been refused lately"
    yield "    it was granted (watchword log), or it came to another port, or it never came:"
    yield f"    tcpdump -ni any {where} shows what comes while you knock"


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.live:
        return _live(arguments)
    if arguments.follow:
        raise OperatorError("--follow goes with --live", hint="watchword explain --live --follow")
    if arguments.knocks:
        from watchword.service.tool import explain_knocks

        return explain_knocks.answer(arguments, tool_questions.configuration(arguments))
    from watchword.service.tool import explain_answers

    answers, places = judged(arguments, tool_questions.configuration(arguments))
    if arguments.json:
        print(json.dumps([explain_answers.as_json(told) for told in answers], indent=2))
    else:
        print("\n\n".join("\n".join(explain_answers.in_words(told, places)) for told in answers))
    return GRANTED if all(told.permit for told in answers) else REFUSED


def judged(
    arguments: argparse.Namespace, configuration: Configuration
) -> tuple[list[Explanation], dict[int, str]]:
    """What is to be said of each packet, and where each stanza stands. Raises OperatorError."""
    from watchword.edges import patterns
    from watchword.edges.gpg import Gpg, gpg_programs
    from watchword.edges.programs import SystemPrograms
    from watchword.edges.replay.reading import read_claim
    from watchword.edges.resolve import SystemNames
    from watchword.model.moments import Moment
    from watchword.model.requests import ReplayKey
    from watchword.service.daemon.blocks import Blocks
    from watchword.service.explain import Seen, explain
    from watchword.service.tool.explain_questions import questions

    requests, state_dir = configuration.settings.requests, configuration.settings.state_dir
    policy = Blocks.noted(state_dir).applied(configuration.policy)

    def seen(key: ReplayKey) -> Seen:
        return read_claim(state_dir, key)

    openpgp = Gpg(gpg_programs())
    fits = partial(patterns.fits, SystemPrograms())
    answers = [
        explain(
            _as_it_comes(question.packet, configuration.settings.sources),
            policy,
            Moment(question.at, 0.0),
            seen,
            openpgp,
            requests=requests,
            fits=fits,
            names=SystemNames(),
        )
        for question in questions(arguments)
    ]
    if not answers:
        raise OperatorError("there is no packet to explain", hint="see watchword explain --help")
    return answers, {each.number: str(each.place) for each in policy.stanzas}


def _as_it_comes(packet: Packet, sources: Sequence[SourceSettings]) -> Packet:
    """Over a connection, if the daemon takes those, and nothing speaks against it."""
    from watchword.model.settings import TcpPort
    from watchword.wire.frames import TCP

    listens = any(isinstance(each, TcpPort) for each in sources)
    return packet._replace(connected=listens and packet.protocol == TCP)
