"""The command watchword connect: knocks, and joins the port that opens to its input and output.

In here: its options, and what becomes of the connection.
Not in here: knocking until the port answers (approach), passing bytes on (edges.splice).

Standard output belongs to the connection; everything that is said goes to standard error.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from watchword.errors import OperatorError
from watchword.service.tool import knock_options

if TYPE_CHECKING:
    from watchword.service.client.console import Console
    from watchword.service.tool.approach import Approach
    from watchword.service.tool.caller import Called


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "connect",
        help="knock, wait until a port answers, and join it to input and output",
        description="Knock for a host of the rc file, wait until its port answers, and join the "
        "connection to standard input and output. For ssh: ProxyCommand watchword connect %h %p.",
    )
    parser.add_argument("host", metavar="HOST", help="a server, or the name of a stanza")
    parser.add_argument("port", metavar="PORT", type=knock_options.port, help="TCP port")
    knock_options.add_to(parser)
    knock_options.add_timeout(parser)
    knock_options.add_renewal(parser)
    parser.add_argument("--to", metavar="ADDRESS", help="connect there instead of to HOST")
    parser.add_argument(
        "--try-first", action="store_true", help="knock only if the port does not answer at once"
    )
    parser.add_argument("--through", metavar="HOP", help="knock and connect from this host, by ssh")
    parser.add_argument(
        "--ssh", metavar="COMMAND", default="ssh", help="the ssh that gets to HOP (ssh)"
    )
    parser.add_argument(
        "--bind", choices=("first", "only", "no"),
        help="have the grant bound to the port that is connected from: first, and the whole "
        "address where nobody answers; only; or not (BIND_SOURCE_PORT)",
    )  # fmt: skip
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--check", action="store_true",
        help="hang up when the port has answered; the exit status says whether it did",
    )  # fmt: skip
    kind.add_argument(
        "--fdpass", action="store_true", help="hand the connection over (ssh: ProxyUseFdpass yes)"
    )
    parser.set_defaults(answer=_connect)


def _connect(arguments: argparse.Namespace) -> int:
    from watchword.edges import splice
    from watchword.service.client.console import Console
    from watchword.service.tool.approach import Approach

    renewed = arguments.renew or arguments.renew_every is not None
    if renewed and (arguments.fdpass or arguments.check):
        raise OperatorError(
            "nobody is left to renew the grant with --check and --fdpass",
            hint="leave --renew out, or have the connection passed through",
        )
    if arguments.through is not None:
        return _go_through(arguments)
    console = Console(aside=True)
    called = _called(arguments, console)
    _check(called, renewed=renewed, try_first=arguments.try_first)
    target = arguments.to or called.target(arguments.host)
    approach = Approach(
        called, called.knocker(console), console, target, arguments.port, binds=True
    )
    reached = approach.without_knocking() if arguments.try_first else None
    if reached is None:
        reached = approach.knock_and_connect(arguments.timeout)
    elif renewed:  # now, and here, where keys can be asked for
        approach.knock(reached.address)
    if arguments.fdpass:
        splice.hand_over(reached.connection)
    elif arguments.check:
        reached.connection.close()
    else:
        if renewed:
            _renew(arguments, approach, reached.address, console)
        splice.splice(reached.connection)
    return 0


def _called(arguments: argparse.Namespace, console: Console) -> Called:
    """Whom the options mean, verified. Raises OperatorError."""
    from watchword.service.tool import caller

    called = caller.called(arguments, arguments.host, console, arguments.port)
    return called.asking_for(arguments.port).verified().bound(arguments.bind)


def _check(called: Called, *, renewed: bool, try_first: bool) -> None:
    """What a bound port and a proof cannot be combined with. Raises OperatorError."""
    if renewed and called.is_bound:
        raise OperatorError(
            "a grant to one source port is for one connection, and nothing is to be renewed of it",
            hint="leave --renew out, or use --bind no",
        )
    if called.proves and try_first:
        raise OperatorError(
            "--try-first sends no packet, and without one nothing can be proved (PROVE Y)",
            hint="leave it out",
        )


def _go_through(arguments: argparse.Namespace) -> int:
    """Everything from another host: we make the packet, ssh does the rest."""
    from watchword.dialects.fwknop.client_ports import outer_port
    from watchword.edges import takeover
    from watchword.edges.hop import Hop
    from watchword.service.client.console import Console

    for name in ("try_first", "check", "fdpass", "renew", "renew_every", "family"):
        if getattr(arguments, name):
            option = "-4 and -6" if name == "family" else f"--{name.replace('_', '-')}"
            raise OperatorError(
                f"{option} cannot be combined with --through", hint="leave one of the two out"
            )
    hop = Hop(arguments.through, arguments.ssh)
    console = Console(aside=True)
    called = _called(arguments, console)
    _check_through(called, hop.name)
    target = arguments.to or called.target(arguments.host)
    hop.onwards(target, arguments.port)  # what is wrong with it is said before anything is sent
    packet = called.knocker(console, carry=hop.carry).knock()
    return takeover.become(
        hop.onwards(target, packet.secret or outer_port(packet.message, arguments.port))
    )


def _check_through(called: Called, hop: str) -> None:
    """What a connection from another host cannot be combined with. Raises OperatorError."""
    from watchword.dialects.fwknop.client_settings import AllowKind

    if called.is_bound:
        raise OperatorError(
            f"{hop} chooses the port that it connects from, and no grant can be bound to it",
            hint="use --bind no",
        )
    if called.proves:
        raise OperatorError(
            f"the first bytes cannot prove anything where {hop} connects (PROVE Y)",
            hint="knock and connect from here",
        )
    allow = called.settings.allow
    if allow is not None and allow.kind is AllowKind.RESOLVE:
        raise OperatorError(
            f"-R finds the address of this machine, and the connection comes from {hop}",
            hint="use -s (ALLOW_IP source)",
        )


def _renew(
    arguments: argparse.Namespace, approach: Approach, address: str, console: Console
) -> None:
    """Beside the connection, until the process ends."""
    import threading
    import time

    from watchword.service.tool import renewal

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    def work() -> None:
        seconds = arguments.renew_every or approach.renewal_pause
        renewal.renew(lambda: approach.knock(address), seconds, wait, console)

    threading.Thread(target=work, daemon=True).start()
