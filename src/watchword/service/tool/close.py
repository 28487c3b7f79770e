"""The command watchword close: has a server end what one's own knock has opened.

In here: its options, and the message that says so.
Not in here: the knock (caller), who may close what (grant.closing).

There is no answer, as to no packet. Connections that are there go on.
"""

from __future__ import annotations

import argparse
from typing import Final

PROGRAM: Final = "watchword"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    from watchword.service.tool import knock_options

    parser = commands.add_parser(
        "close",
        help="close what one's own knock has opened",
        description="Send a packet that ends the grants of its sender: those that the same stanza "
        "of the server gave to the same user name for the same address. Connections that are there "
        "go on. The server has to be a Watchword whose stanza says ENABLE_OWNER_CLOSE Y.",
    )
    parser.add_argument("host", metavar="NAME", help="a stanza of the rc file, or its server")
    parser.add_argument(
        "services", metavar="SERVICE", nargs="*",
        help="only grants for these and nothing else, such as tcp/22 (all of them)",
    )  # fmt: skip
    knock_options.add_to(parser)
    parser.set_defaults(answer=_close)


def _close(arguments: argparse.Namespace) -> int:
    from watchword.errors import OperatorError
    from watchword.model.actions import CLOSE
    from watchword.model.services import Service
    from watchword.service.client.console import Console
    from watchword.service.tool import caller

    try:
        services = [str(Service.parse(each)) for each in arguments.services]
    except ValueError as error:
        raise OperatorError(str(error), hint="name services as tcp/22, or none of them") from None
    message = " ".join((CLOSE, *services))
    arguments.options.append(f"--server-cmd '{message}'")
    console = Console(aside=True)
    called = caller.called(arguments, arguments.host, console).verified()
    called.knocker(console).knock()
    return 0
