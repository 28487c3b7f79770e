"""The command watchword run: knocks, waits for the port, and lets a command take our place.

In here: its options and exit statuses.
Not in here: knocking until the port answers (approach), becoming a command (edges.takeover).

The exit statuses of our own are those of env(1) and nohup(1), so that they can be told from
the command's.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from watchword.errors import OperatorError, WatchwordError
from watchword.service.complain import complain
from watchword.service.tool import knock_options

if TYPE_CHECKING:
    from watchword.service.client.console import Console
    from watchword.service.tool.approach import Approach

PROGRAM: Final = "watchword"
FAILED, CANNOT_RUN, NOT_FOUND = 125, 126, 127


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "run",
        help="knock, wait for the port, and run a command",
        description="Knock for a stanza of the rc file, wait until the TCP port that it asks for "
        "answers, and run a command in place of this one: its exit status is the command's. "
        "125: the knock failed, or this command line is wrong; 126: the command cannot be run; "
        "127: there is no such command.",
        usage="%(prog)s [options] NAME -- COMMAND [ARGUMENT...]",
    )
    parser.add_argument("host", metavar="NAME", help="a stanza, or the server of one")
    knock_options.add_to(parser)
    parser.add_argument(
        "-p", "--port", metavar="PORT", type=knock_options.port,
        help="the TCP port to ask and wait for (the first of ACCESS)",
    )  # fmt: skip
    parser.add_argument(
        "--from-port", metavar="PORT", type=knock_options.port,
        help="have the grant bound to this port of the command's own, and run it at once",
    )  # fmt: skip
    parser.add_argument("--no-wait", action="store_true", help="run the command at once")
    knock_options.add_timeout(parser)
    knock_options.add_renewal(parser)
    parser.set_defaults(answer=_run)


def _run(arguments: argparse.Namespace) -> int:
    from watchword.edges import takeover

    try:
        if not arguments.command:
            raise OperatorError("there is no command to run", hint="it follows a --")
        _knock(arguments)
    except WatchwordError as error:
        complain(PROGRAM, error)
        return FAILED
    try:
        return takeover.become(arguments.command)
    except WatchwordError as error:
        complain(PROGRAM, error)
        return NOT_FOUND if isinstance(error, takeover.NotFoundError) else CANNOT_RUN


def _knock(arguments: argparse.Namespace) -> None:
    from watchword.dialects.fwknop import client_ports
    from watchword.service.client.console import Console
    from watchword.service.tool import caller
    from watchword.service.tool.approach import Approach

    console = Console(aside=True)
    called = caller.called(arguments, arguments.host, console, arguments.port)
    if arguments.port is not None:
        called = called.asking_for(arguments.port)
    called = called.verified().wishing()
    port = arguments.port or client_ports.first_tcp(called.settings)
    knocker = called.knocker(console)
    knocker.from_port = arguments.from_port or 0
    if called.only_bound and not knocker.from_port:
        raise OperatorError(
            f"{called.title} asks for grants to one source port only, and the command has its own",
            hint="say which with --from-port PORT, or set BIND_SOURCE_PORT to first",
        )
    approach = Approach(called, knocker, console, called.server, port)
    address = None
    if port is None or knocker.from_port or arguments.no_wait:
        approach.knock()
    else:
        reached = approach.knock_and_connect(arguments.timeout)
        reached.connection.close()
        address = reached.address
    if arguments.renew or arguments.renew_every is not None:
        _renew(arguments, approach, address, console)


def _renew(
    arguments: argparse.Namespace, approach: Approach, address: str | None, console: Console
) -> None:
    from watchword.edges import takeover
    from watchword.service.tool import renewal

    def work(wait: takeover.Wait) -> None:
        seconds = arguments.renew_every or approach.renewal_pause
        renewal.renew(lambda: approach.knock(address), seconds, wait, console)

    takeover.accompany(work)
