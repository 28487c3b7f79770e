"""The command watchword doctor: why a knock does not work, as far as the client can see.

In here: its options, the rc file, what is printed, for people and as JSON.
Not in here: looking (examination), what it means (diagnosis).
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from watchword.errors import HostError, OperatorError
from watchword.service.tool import knock_options
from watchword.service.tool import questions as tool_questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchword.service.doctor.diagnosis import Diagnosis, Seen
    from watchword.service.doctor.words import Remarks

_PATIENCE = 5.0  # seconds for the port to open


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "doctor",
        help="why a knock does not work, as far as the client can see, or the server",
        description="Look at the rc file, the name, the clocks and the port, knock once, look at "
        "the port again, and say in one sentence what is wrong. Exit status 0: nothing; 1: it "
        "cannot be seen from here (key, policy); 2: rc file or command line; 3: name; 4: clock; "
        "5: path; 6: a service is down; 7: the port is open to everybody. Without HOST: the rc "
        "file alone. With --server: what is wrong on the server's own host; exit status 0: "
        "nothing; 1: warnings; 2: its configuration cannot be used; 3: faults.",
    )
    parser.add_argument("host", metavar="HOST", nargs="?", help="a stanza, or the server of one")
    parser.add_argument(
        "port", metavar="PORT", nargs="?", type=knock_options.port,
        help="the TCP port that is to open (the first of ACCESS)",
    )  # fmt: skip
    knock_options.add_to(parser)
    knock_options.add_timeout(parser, _PATIENCE)
    parser.add_argument(
        "--clock", metavar="HOST|URL",
        help="compare clocks with this time server, or web server, instead of with HOST",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    server = parser.add_argument_group("on the server's own host")
    server.add_argument(
        "--server", action="store_true",
        help="look at fwknopd, its files and its firewall instead; nothing is changed",
    )  # fmt: skip
    server.add_argument(
        "--probe", action="store_true",
        help="have a network namespace joined to this host for a moment, and ports tried from it",
    )  # fmt: skip
    tool_questions.add_files(server)
    tool_questions.add_socket(server)
    parser.set_defaults(answer=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.server:
        return _server(arguments)
    for option in ("probe", "config_file", "access_file", "socket"):
        if getattr(arguments, option):
            name = option.replace("_", "-")
            raise OperatorError(f"--{name} is for the server's side", hint="add --server")
    return _client(arguments)


def _server(arguments: argparse.Namespace) -> int:
    from watchword.service.doctor import server as doctor_server

    if arguments.host is not None:
        raise OperatorError("--server looks at this host, and takes no HOST", hint="leave it out")
    return doctor_server.answer(arguments)


def _client(arguments: argparse.Namespace) -> int:
    from watchword.service.doctor import words as doctor_words
    from watchword.service.doctor.diagnosis import Diagnosis, Trouble
    from watchword.service.doctor.words import Remarks

    remarks = Remarks()
    seen: Seen | None = None
    addresses: Sequence[str] = ()
    try:
        if arguments.host is None:
            found = _stanzas(arguments, remarks)
        else:
            seen, addresses = _look(arguments, remarks)
            found = _diagnose(seen)
    except OperatorError as error:
        first = error.complaints[0]
        found = Diagnosis(Trouble.FILE, str(error), first.hint)
    except HostError as error:
        found = Diagnosis(Trouble.NAME, str(error), error.hint)
    if arguments.json:
        told = doctor_words.as_json(found, seen, addresses, remarks.complaints)
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(doctor_words.in_words(found, seen, addresses, remarks.complaints)))
    return found.trouble.value


def _look(arguments: argparse.Namespace, remarks: Remarks) -> tuple[Seen, Sequence[str]]:
    from watchword.dialects.fwknop import client_ports
    from watchword.service.doctor.examination import Examination
    from watchword.service.tool import caller

    called = caller.called(arguments, arguments.host, remarks, arguments.port)
    if arguments.port is not None:
        called = called.asking_for(arguments.port)
    called = called.verified().wishing()
    port = arguments.port or client_ports.first_tcp(called.settings)
    return Examination(called, remarks, arguments.host, port, arguments.clock).look(
        arguments.timeout
    )


def _diagnose(seen: Seen) -> Diagnosis:
    from watchword.service.doctor import diagnosis

    return diagnosis.diagnose(seen)


def _stanzas(arguments: argparse.Namespace, remarks: Remarks) -> Diagnosis:
    """The rc file alone: every stanza of it."""
    from watchword.service.doctor import rcfile_check
    from watchword.service.doctor.diagnosis import Diagnosis, Trouble

    names = rcfile_check.check(arguments, remarks)
    wrong = [each for each in remarks.complaints if each.fatal]
    if wrong:
        count = f"{len(wrong)} mistakes" if len(wrong) > 1 else "a mistake"
        return Diagnosis(Trouble.FILE, f"the rc file has {count}", wrong[0].hint)
    listed = ", ".join(names) or "none"
    return Diagnosis(
        Trouble.NONE,
        f"the rc file can be used; its stanzas: {listed}",
        "watchword doctor NAME tries one",
    )
